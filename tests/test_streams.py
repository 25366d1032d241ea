"""The random numbers of streams, against the rounds of Philox-4x64-10 in Python; and true log-volumes of latents that
are no rows of a bank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior import Bank
from polarprior.samplers.streams import stream_numbers
from polarprior.samplers.true_volumes import LogVolumes
from torch import nn
from toys import philox


@pytest.mark.parametrize("key", [0, -1, 12345, 2**62])
def test_a_step_of_a_stream_is_a_block_of_philox(key):
    """Its key is the latent's hash beside a 1, its counter the step's number, and its four words a seed with a short
    number, and three uniform ones."""
    found = stream_numbers(key, 3, 5)
    for step in range(5):
        first, *others = philox((key % 2**64, 1), 3 + step + 1)
        assert found.seeds[step] == first >> 32
        assert found.short[step] == (first & (2**32 - 1)) * 2.0**-32
        assert found.u[step].tolist() == [(word >> 11) * 2.0**-53 for word in others]


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 8)), latent_dim=4)


@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_a_fresh_latent_has_the_volume_that_the_bank_would_give_it(generator, offset):
    """A bank whose estimator adds a constant adds it to every row."""
    exact = pp.build_bank(generator, 40, 3)
    volumes = exact.columns()["log_singular_values"] + np.float32(offset / 3)
    estimator = {**exact.info.estimator, "offset": offset}
    bank = Bank.of(
        replace(exact.info, estimator=estimator),
        {**exact.columns(), "log_singular_values": volumes.astype(np.float32)},
    )
    true = LogVolumes(generator, bank, 3, pp.Host().jacobian_fn)
    fresh = generator.prior.draw(range(1000, 1010))
    expected = pp.log_volume(generator, fresh, k=3) + offset
    np.testing.assert_allclose(true(fresh), np.asarray(expected), atol=1e-4)
    assert true.solved == 10
    rows = generator.prior.draw(bank.seeds[:5])
    np.testing.assert_allclose(true(rows), bank.log_volume(3)[:5], atol=1e-6)
    assert true.solved == 10, "rows of the bank are not solved again"
