"""Streams of fresh latents that end without a draw, and what two samplers say of a proposal before it becomes one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.hashing import latent_hash
from polarprior.law.law import Law, resolve
from polarprior.law.rows import Source, rows_of_bank
from polarprior.samplers.fresh import FreshSampler, Screened
from polarprior.samplers.online_sampler import SurrogateAcceptance
from polarprior.samplers.streams import stream_numbers
from polarprior.samplers.true_volumes import LogVolumes
from polarprior.surrogate.features import FeaturesOf
from torch import nn

STREAMS, LENGTH = 3000, 6


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 8)), latent_dim=4)


@pytest.fixture(scope="module")
def bank(generator):
    return pp.build_bank(generator, 400, 3)


def resolved(generator, bank, support):
    """The law at rho 0."""
    return resolve(0.0, 3, rows_of_bank(bank, 3, None, np.arange(len(bank)), (), Source(generator)), support=support)


def log_weight(z):
    """Three weights, far apart: 1, e and 20."""
    return np.select([z[:, 0] > 0.8, z[:, 0] > 0], [np.log(20), 1.0], 0.0)


@dataclass
class NoDraws:
    """Accepts nothing: either nothing passes the first stage, or all of it does and nothing the second."""

    law: Law
    passes: bool
    expected_pass: float = 1.0
    length: int = LENGTH

    def screen(self, latents):
        log_w = log_weight(latents.z.numpy())
        log_pass = np.zeros_like(log_w) if self.passes else np.full_like(log_w, -np.inf)
        return Screened(log_pass, np.zeros_like(log_w) if self.passes else log_w, log_w[:, None])

    def log_correction(self, log_volume, screened):
        return screened.statistics[:, 0] - 1000


@pytest.mark.parametrize("passes", [False, True], ids=["by guessed weights", "by known weights"])
def test_a_stream_without_a_draw_gives_one_of_its_own_by_their_weights(generator, bank, passes):
    law = resolved(generator, bank, "prior")
    volumes = LogVolumes(generator, bank, 3, pp.Host().jacobian_fn)
    sampler = FreshSampler(generator, bank, volumes, {None: NoDraws(law, passes)}, law.diagnostics)
    stock = generator.prior.draw(range(STREAMS)).z
    drawn = sampler.redraw(stock).z
    assert sampler.diagnostics.spending.exhausted == STREAMS
    picked, expected, variance, plain = np.zeros((4, 3))
    for z, key, draw in zip(stock, latent_hash(stock), drawn, strict=True):
        own = generator.prior.draw(stream_numbers(int(key), 0, LENGTH).seeds).z
        own[0] = z
        (index,) = np.flatnonzero((own == draw).all(1).numpy())
        shares = np.exp(log_weight(own.numpy()))
        shares /= shares.sum()
        kinds = np.searchsorted([0.5, 2.0], log_weight(own.numpy()))
        by_kind = np.bincount(kinds, shares, minlength=3)
        picked[kinds[index]] += 1
        expected += by_kind
        plain += np.bincount(kinds, minlength=3)
        variance += by_kind * (1 - by_kind)
    assert np.abs(picked - expected) == pytest.approx(np.zeros(3), abs=4 * np.sqrt(variance.max()))
    assert picked / picked.sum() != pytest.approx(plain / plain.sum(), abs=0.1), "the weights decide"


def test_a_proposal_above_the_level_passes_the_first_stage_for_sure_and_owes_it_nothing(generator, bank):
    """What the bound forgives is known then: the draw's weight is exp(t - bound), however high the guess was."""
    law = replace(resolved(generator, bank, "prior"), rho=0.3)
    guess = np.array([1.0, 2.0, 4.0])
    acceptance = SurrogateAcceptance(
        law, lambda features: guess / law.rho, FeaturesOf(generator), {}, 2.0, 5.0, 1.0, 1.0, LENGTH, 0.0
    )
    screened = acceptance.screen(generator.prior.draw(range(3)))
    np.testing.assert_allclose(screened.log_guess, guess)
    np.testing.assert_allclose(screened.log_pass, [-1.0, 0.0, 0.0])
    np.testing.assert_allclose(acceptance.log_correction(np.zeros(3), screened), [-4.0, -5.0, -5.0])


def test_what_is_off_the_shell_is_a_share_of_the_proposals_that_no_stream_accepts(generator, bank):
    """At rho 0 all that is on the shell is accepted."""
    sampler = pp.latent_sampler(generator, bank, 0.0, sampler="online", support="shell")
    (stream,) = sampler.described()["streams"]
    assert stream["acceptance"] == resolved(generator, bank, "shell").inside.mean() < 1
