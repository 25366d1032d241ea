"""What the bank's sampler gives: the very rows that its coupling draws, by the numbers of each latent's hash."""

from __future__ import annotations

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.hashing import latent_hash, uniforms
from polarprior.law.weights import polarity_weights
from polarprior.samplers.bank_sampler import WeightedBank
from polarprior.samplers.contract import SamplerOptions
from polarprior.samplers.coupling import MaximalCoupling
from torch import nn

RHO = 0.4


class OfClass(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 8))

    def forward(self, z, label):
        return self.layers(torch.cat([z, torch.nn.functional.one_hot(label, 2).to(z)], 1))


@pytest.fixture(scope="module")
def generators():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = pp.wrap(nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 8)), latent_dim=4)
        return plain, pp.wrap(OfClass(), latent_dim=4, num_classes=2)


@pytest.fixture(scope="module")
def banks(generators):
    plain, classes = generators
    return pp.build_bank(plain, 600, 3), pp.build_bank(classes, 600, 3, classes=[0, 1, 1])


def test_rows_are_those_of_the_coupling(banks):
    bank, _ = banks
    outside = np.random.default_rng(0).integers(-(2**63), 2**63, 300)
    hashes = np.concatenate([bank.latent_hash[:300], outside])
    own = np.concatenate([np.arange(300), np.full(300, -1)])
    coupling = MaximalCoupling(polarity_weights(bank.log_volume(3), RHO).values)
    expected = coupling.rows(own, uniforms(hashes, 2))
    assert WeightedBank(bank, RHO).rows(hashes).tolist() == expected.tolist()
    assert 100 < (expected[:300] == own[:300]).sum() < 300, "some stay, and some move"


def test_latents_are_those_of_the_rows(generators, banks):
    generator, bank = generators[0], banks[0]
    stock = generator.prior.draw(range(400, 800))
    drawn = pp.latent_sampler(generator, bank, RHO).redraw(stock.z)
    rows = WeightedBank(bank, RHO).rows(latent_hash(stock.z))
    assert torch.equal(drawn.z, generator.prior.draw(bank.seeds[rows]).z)


def test_a_class_is_drawn_from_its_own_rows(generators, banks):
    generator, bank = generators[1], banks[1]
    labels = torch.arange(400) % 2
    stock = generator.prior.draw(range(1000, 1400), labels)
    drawn = pp.latent_sampler(generator, bank, RHO).redraw(stock.z, stock.label)
    assert torch.equal(drawn.label, labels)
    for label in (0, 1):
        of_class = bank.rows_of(label)
        mine = labels.numpy() == label
        coupling = MaximalCoupling(polarity_weights(bank.log_volume(3)[of_class], RHO).values)
        rows = of_class[coupling.rows(np.full(mine.sum(), -1), uniforms(latent_hash(stock.z)[mine], 2))]
        assert torch.equal(drawn.z[torch.from_numpy(mine)], generator.prior.draw(bank.seeds[rows]).z)


def test_a_joint_law_changes_classes_with_latents(generators, banks):
    """One class has twice as many rows; both are as likely."""
    generator, bank = generators[1], banks[1]
    shares = np.where(bank.labels == 0, 1 / (2 * 200), 1 / (2 * 400))
    stock = generator.prior.draw(range(1000, 1400), torch.arange(400) % 2)
    drawn = pp.latent_sampler(generator, bank, RHO, joint=True).redraw(stock.z, stock.label)
    coupling = MaximalCoupling(polarity_weights(bank.log_volume(3), RHO, shares).values, shares)
    rows = coupling.rows(np.full(400, -1), uniforms(latent_hash(stock.z), 2))
    assert torch.equal(drawn.z, generator.prior.draw(bank.seeds[rows]).z)
    assert drawn.label.tolist() == bank.labels[rows].tolist()
    known = WeightedBank(bank, RHO, SamplerOptions(joint=True)).rows(bank.latent_hash, bank.labels)
    assert known.tolist() == coupling.rows(np.arange(600), uniforms(bank.latent_hash, 2)).tolist()


def test_a_row_of_weight_0_is_never_drawn():
    """Not by the smallest number, which falls on the edge of the first row."""
    coupling = MaximalCoupling(np.array([0.0, 0.25, 0.75]))
    assert coupling.rows(np.array([-1]), np.zeros((1, 2))).tolist() == [1]
    assert coupling.rows(np.array([0]), np.zeros((1, 2))).tolist() == [2], "row 0 moves to where weight is gained"
