"""The automatic limits of rho: the largest rho at which the weights can be trusted, and no larger."""

from __future__ import annotations

import numpy as np
import pytest
from polarprior import Bank
from polarprior.errors import PolarPriorError, UsageError
from polarprior.law.diagnostics import diagnose
from polarprior.law.hold import Hold
from polarprior.law.limits import rho_limits
from polarprior.law.psis import pareto_k_hat
from polarprior.law.weights import effective_sample_size, polarity_weights
from polarprior.samplers.bank_sampler import WeightedBank
from polarprior.samplers.contract import SamplerOptions
from toys import toy_bank


@pytest.fixture(scope="module")
def log_volume():
    return np.random.default_rng(0).normal(63, 7.5, 2000)


def trusted(log_w, needed, bounded=False):
    return effective_sample_size(log_w) >= needed and (bounded or pareto_k_hat(log_w) < 0.7)


HEAVY, SHARES = np.random.default_rng(4).laplace(0, 5, 10_000), np.random.default_rng(5).dirichlet(np.full(10_000, 5))


@pytest.mark.parametrize("draws", [0, 20_000])
@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("shares", [None, SHARES], ids=["alike", "shared"])
def test_limits_are_the_last_rho_that_can_be_trusted(shares, bounded, draws):
    base = 0.0 if shares is None else np.log(shares)
    for limit in rho_limits(HEAVY, draws, bounded=bounded, shares=shares):
        within, beyond = (
            trusted(base + factor * limit * HEAVY, max(100, draws / 10), bounded) for factor in (1, 1.03)
        )
        assert within
        assert not beyond


def test_the_tail_of_the_weights_ends_the_interval_of_few_draws_and_the_ess_that_of_many():
    """So the test above is about both."""
    for shares in (None, SHARES):
        for draws, tail_decides in ((0, True), (20_000, False)):
            ends, by_ess = (rho_limits(HEAVY, draws, shares=shares, bounded=each).upper for each in (False, True))
            assert (ends < 0.8 * by_ess) == tail_decides


@pytest.mark.parametrize("bounded", [False, True])
def test_limits_with_a_hold_are_those_of_the_weights_that_hold(log_volume, bounded):
    """A statistic that follows the log-volume takes most of what polarity does, so that rho may go further."""
    noise = np.random.default_rng(6).normal(0, 7.5, 2000)
    hold = Hold(("s",), (log_volume + noise)[:, None])
    limits, without = rho_limits(log_volume, hold=hold, bounded=bounded), rho_limits(log_volume)
    for limit, free in zip(limits, without, strict=True):
        assert abs(limit) > 1.1 * abs(free)
        ends = [hold.solve(polarity_weights(log_volume, factor * limit))[1].log for factor in (1, 1.05)]
        assert [trusted(log_w, 100) for log_w in ends] == [True, False]


def test_limits_hold_what_they_promise(log_volume):
    limits = rho_limits(log_volume)
    for rho in (limits.lower, limits.upper):
        report = diagnose(log_volume, rho, 30)
        assert report.within_limits
        assert report.k_hat < 0.7
        assert report.ess >= 100
        assert not diagnose(log_volume, 1.02 * rho, 30).within_limits


def test_limits_on_normal_log_volumes_follow_the_theory(log_volume):
    """ESS = N exp(-(rho s)²) for normal l: 100 effective samples at |rho| = sqrt(ln(N / 100)) / s, k-hat allowing."""
    theory = np.sqrt(np.log(len(log_volume) / 100)) / log_volume.std()
    limits = rho_limits(log_volume)
    assert 0.6 * theory < -limits.lower < 1.5 * theory
    assert 0.6 * theory < limits.upper < 1.5 * theory


def test_a_heavy_lower_tail_narrows_the_negative_side():
    log_volume = -np.random.default_rng(4).gamma(2.0, 5.0, 3000)
    limits = rho_limits(log_volume)
    assert -limits.lower < 0.5 * limits.upper


def test_more_draws_ask_for_a_larger_ess(log_volume):
    assert rho_limits(log_volume, draws=10_000).upper < rho_limits(log_volume).upper


def test_limits_are_those_of_the_class_that_is_drawn():
    """A thin class says nothing about another."""
    bank = toy_bank(rows=1000, std=2.0, num_classes=2)
    tensors = {**bank.columns(), "labels": (np.arange(1000) >= 990).astype(np.int64)}
    bank = Bank.of(bank.info, tensors)
    assert WeightedBank(bank, 0.1, SamplerOptions(label=0)).diagnostics.label == 0
    with pytest.raises(PolarPriorError, match="class 1 of this bank"):
        WeightedBank(bank, 0.1)
    with pytest.raises(UsageError, match=r"^label: got 7, the bank has 0, 1"):
        WeightedBank(bank, 0.1, SamplerOptions(label=7))


def test_limits_of_hopeless_banks():
    assert rho_limits(np.array([1.0, 2.0])) == (0, 0)
    assert rho_limits(np.full(10, -np.inf)) == (0, 0)
    assert rho_limits(np.full(500, 3.0)) == (-np.inf, np.inf)
    assert rho_limits(60 + 1e-7 * np.arange(500)) == (-np.inf, np.inf), "rounding is no volume"
