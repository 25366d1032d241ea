"""Where a prior's latents live: what the shell holds, and how far a law is followed beyond a bank."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.jacobian.linear_map import LinearMap
from polarprior.law.geometry import SPHERE, Geometry, geometry_of, length
from polarprior.samplers.contract import SamplerOptions
from polarprior.samplers.leaving import peaks
from polarprior.samplers.reweighting import reweighting_sampler
from torch import nn

K = 400
FEW = 4
"""Numbers of the first of two parts of z."""


def two_lengths(z):
    return np.stack([part.double().norm(dim=1).numpy() for part in (z[:, :FEW], z[:, FEW:])], 1)


TWO_PARTS = replace(Geometry.normal(), lengths=two_lengths)


def jacobian_of(generator, space="pixel", domain="z"):
    """Jacobians whose log-volume is the sum of the first part's numbers, K times over."""

    def jacobian(latents):
        z = latents.z if isinstance(latents, pp.Latents) else latents
        scale = z[:, :FEW].sum(1).exp()[:, None, None]
        return LinearMap(value=z, input_dim=K, jvp=lambda t: t * scale, vjp=lambda c: c * scale)

    return jacobian


@pytest.fixture(scope="module")
def generator():
    return pp.wrap(nn.Linear(K, K), latent_dim=K)


@pytest.fixture(scope="module")
def bank(generator):
    built = pp.build_bank(generator, 2000, 1)
    volumes = generator.prior.draw(built.seeds).z[:, :FEW].sum(1).numpy()
    return pp.Bank.of(built.info, {**built.columns(), "log_singular_values": volumes[:, None]})


def sampler(generator, bank, rho, geometry, **options):
    return reweighting_sampler(generator, bank, rho, SamplerOptions(force=True, **options), jacobian_of, geometry)


def test_what_a_generator_says_of_itself(generator):
    assert geometry_of(generator).lengths is length
    assert geometry_of(generator).scale == 1
    for prior, told in (("uniform", False), ("truncated-normal:2", False), ("normal", True)):
        own = geometry_of(pp.wrap(nn.Linear(4, 4), latent_dim=4, prior=prior))
        assert own.lengths is length
        assert (own.log_density is not None) == told
    assert geometry_of(pp.wrap(nn.Linear(4, 4), latent_dim=4, prior="sphere")) is SPHERE


def test_a_shell_for_each_part_leaves_out_as_much_as_one(generator, bank):
    """Each is wider than if it were alone."""
    whole = sampler(generator, bank, 0.1, Geometry.normal(), support="shell").described()["laws"][0]["support"]
    parts = sampler(generator, bank, 0.1, TWO_PARTS, support="shell")
    stated = parts.described()["laws"][0]["support"]
    found = two_lengths(generator.prior.draw(bank.seeds).z)
    for part in (0, 1):
        expected = np.quantile(found[:, part], [0.0025, 0.9975])
        assert [stated["low"][part], stated["high"][part]] == pytest.approx(expected.tolist())
    inside = ((found >= stated["low"]) & (found <= stated["high"])).all(1)
    assert 0.985 < inside.mean() < 0.995
    drawn = two_lengths(parts.sample(range(3000)).z)
    assert ((drawn >= stated["low"]) & (drawn <= stated["high"])).all()
    assert isinstance(whole["low"], float), "of one length it is a number"
    assert "the lengths of 2 parts of z" in parts.diagnostics.support


@pytest.mark.parametrize("name", ["bank", "online"])
def test_online_draws_are_on_each_shell(generator, bank, name):
    drawn = sampler(generator, bank, 0.3, TWO_PARTS, support="shell", sampler=name)
    stated = drawn.described()["laws"][0]["support"]
    lengths = two_lengths(drawn.sample(range(2**31, 2**31 + 60)).z)
    assert ((lengths >= stated["low"]) & (lengths <= stated["high"])).all()


def test_on_a_sphere_the_shell_is_everything(generator, bank):
    law = sampler(generator, bank, 0.1, SPHERE, support="shell")
    assert law.described()["laws"][0]["support"] == {"name": "shell", "low": None, "high": None}
    assert law.diagnostics.rows == 2000


def test_a_part_that_leaves_its_shell_is_named(generator, bank):
    """In the length of all numbers the same law is not seen to leave."""
    rho = 3.0
    for geometry, said in ((Geometry.normal(), []), (TWO_PARTS, ["part 1 of 2 of z has the length"])):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            sampler(generator, bank, rho, geometry)
        left = [str(each.message) for each in caught if "leaves the shell" in str(each.message)]
        assert len(left) == len(said)
        assert all(part in text for part, text in zip(said, left, strict=True))


def test_a_law_is_followed_no_further_than_the_prior_goes(generator, bank):
    """On the same lines, in steps of its deviation."""
    free, _, _ = peaks(generator, bank, 8.0, 1, jacobian_of, Geometry.normal())
    cut, _, _ = peaks(generator, bank, 8.0, 1, jacobian_of, Geometry.normal(bound=5.0))
    short, _, _ = peaks(generator, bank, 8.0, 1, jacobian_of, Geometry.normal(std=0.1, bound=5.0))
    assert free.abs().max() > 5 >= cut.abs().max()
    starts = generator.prior.draw(bank.seeds[np.argsort(bank.log_volume())[::-1][:4]]).z
    assert (short - starts).norm(dim=1).max() <= 8 * 0.1 + 1e-5 < (free - starts).norm(dim=1).min()


def test_the_density_is_the_prior_s():
    z = torch.tensor([[0.5, -0.5], [0.1, 0.9], [0.0, 1.1]])
    found = Geometry.normal(std=0.5, bound=1.0).log_density(z)
    assert found[0] - found[1] == pytest.approx((0.1**2 + 0.9**2 - 0.5) / (2 * 0.25))
    assert found[2] == -np.inf
