"""Weights, their diagnostics and the limits of rho."""

from __future__ import annotations

import numpy as np
import pytest
from polarprior.law.diagnostics import diagnose
from polarprior.law.limits import rho_limits
from polarprior.law.psis import pareto_k_hat
from polarprior.law.weights import effective_sample_size, expected_distinct, polarity_weights
from polarprior.samplers.bank_sampler import WeightedBank
from scipy.stats import genpareto
from toys import toy_bank


@pytest.fixture(scope="module")
def log_volume():
    return np.random.default_rng(0).normal(63, 7.5, 2000)


@pytest.mark.parametrize("rho", [-10.0, -1.0, -0.1, 0.001, 0.1, 1.0, 10.0])
def test_adding_1000_to_every_log_volume_changes_no_probability(log_volume, rho):
    np.testing.assert_allclose(
        np.exp(polarity_weights(log_volume + 1000, rho).log),
        np.exp(polarity_weights(log_volume, rho).log),
        atol=1e-10,
    )


@pytest.mark.parametrize("rho", [-1000.0, -10.0, 10.0, 1000.0])
def test_extreme_rho_gives_finite_probabilities(log_volume, rho):
    """Clipping in linear space would tie all of them and turn polarity off."""
    weights = np.exp(polarity_weights(log_volume, rho).log)
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1)
    assert weights.argmax() == (log_volume.argmax() if rho > 0 else log_volume.argmin())
    assert effective_sample_size(np.log(weights, where=weights > 0, out=np.full_like(weights, -np.inf))) < 3


def test_weights_are_the_softmax(log_volume):
    direct = np.exp(0.3 * log_volume.astype(np.longdouble))
    np.testing.assert_allclose(
        np.exp(polarity_weights(log_volume, 0.3).log), (direct / direct.sum()).astype(float), rtol=1e-10
    )


def test_rho_0_is_exactly_uniform(log_volume):
    assert len(set(polarity_weights(log_volume, 0.0).log)) == 1


def test_a_latent_without_volume_is_counted_and_left_out(log_volume):
    dead = log_volume.copy()
    dead[7] = -np.inf
    for rho in (-1.0, -0.01, 0.01, 1.0):
        assert polarity_weights(dead, rho).log[7] == -np.inf
        assert diagnose(dead, rho, 30).rank_deficient == 1
        assert np.isfinite(diagnose(dead, rho, 30).mean_log_volume)


def test_order_of_the_bank_does_not_matter(log_volume):
    shuffled = np.random.default_rng(1).permutation(log_volume)
    one, other = diagnose(log_volume, 0.1, 30), diagnose(shuffled, 0.1, 30)
    assert one.ess == pytest.approx(other.ess)
    assert one.k_hat == pytest.approx(other.k_hat)


def test_ess_falls_with_the_size_of_rho(log_volume):
    for sign in (-1, 1):
        ess = [
            effective_sample_size(polarity_weights(log_volume, sign * rho).log)
            for rho in (0, 0.02, 0.05, 0.1, 0.2, 1)
        ]
        assert ess == sorted(ess, reverse=True)


def test_expected_distinct_by_simulation():
    log_w = polarity_weights(np.arange(50.0) / 10, 1.0).log
    stream = np.random.default_rng(2)
    seen = [len(set(stream.choice(50, 60, p=np.exp(log_w)))) for _ in range(2000)]
    assert expected_distinct(np.exp(log_w), 60) == pytest.approx(np.mean(seen), abs=4 * np.std(seen) / np.sqrt(2000))
    assert expected_distinct(np.exp(log_w), 1) == pytest.approx(1)


@pytest.mark.parametrize("shape", [0.1, 0.5, 0.9, 1.5])
def test_k_hat_finds_the_shape_of_a_pareto_tail(shape):
    """Weights with a generalised Pareto law have that law's shape in their tail too."""
    weights = genpareto.rvs(shape, size=40_000, random_state=3)
    assert pareto_k_hat(np.log(weights)) == pytest.approx(shape, abs=0.15)


def test_k_hat_agrees_with_arviz(log_volume):
    pytest.importorskip("arviz_stats", reason="arviz-stats, the oracle, needs Python 3.11")
    from arviz_stats.base import array_stats

    for rows in (25, 100, 512, 2000):
        for rho in (-0.5, -0.2, -0.05, 0.05, 0.2, 0.5):
            log_w = polarity_weights(log_volume[:rows], rho).log
            _, expected = array_stats.psislw(-log_w)  # it takes log likelihoods: minus log weights
            assert pareto_k_hat(log_w) == pytest.approx(float(expected), abs=1e-9)


def test_ess_agrees_with_arviz(log_volume):
    """ArviZ smooths the largest weights first, which inside the limits changes little."""
    pytest.importorskip("arviz_stats", reason="arviz-stats, the oracle, needs Python 3.11")
    from arviz_stats.base import array_stats

    limits = rho_limits(log_volume)
    for rho in (limits.lower, limits.lower / 2, limits.upper / 2, limits.upper):
        smoothed, _ = array_stats.psislw(-polarity_weights(log_volume, rho).log)
        normalised = np.exp(smoothed - np.logaddexp.reduce(smoothed))
        assert effective_sample_size(smoothed) == pytest.approx(1 / (normalised**2).sum())
        assert diagnose(log_volume, rho, 30).ess == pytest.approx(1 / (normalised**2).sum(), rel=0.1)


def test_many_rank_deficient_rows_are_a_complaint(log_volume):
    dead = log_volume.copy()
    dead[: len(dead) // 2] = -np.inf
    message, hint = diagnose(dead, 0.001, 30).complaint()
    assert "1000 of 2000 latents" in message
    assert hint == "use a smaller one, such as k=15, or go on with force=True"
    assert diagnose(dead, 0.0, 30).complaint() is None
    dead[5:] = log_volume[5:]
    assert diagnose(dead, 0.001, 30).complaint() is None


def test_draws_stay_within_their_class():
    bank = toy_bank(rows=1200, std=2.0, num_classes=3)
    labels = np.arange(900) % 3
    for hashes in (bank.latent_hash[:900], np.arange(900)):
        rows = WeightedBank(bank, 0.2).rows(hashes, labels)
        assert (bank.labels[rows] == labels).all()
