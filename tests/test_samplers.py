"""What each sampler draws, against areas of a mesh, with one level for all the tests together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.bank.bank import Bank
from polarprior.samplers.fresh import FreshSampler
from polarprior.samplers.true_volumes import LogVolumes
from scipy.stats import chisquare, norm
from surface import CELLS, Mesh, cell_counts, make_surface, surface_generator, uniform_square
from torch import nn

DRAWS, ONLINE_DRAWS = 20_000, 6000
LEVEL = 1e-3
RHOS = (-1.0, -0.5, 0.5, 1.0)
FRESH = np.arange(2**31, 2**31 + DRAWS)  # seeds that are no rows of a bank
OWN = np.arange(2000, 2000 + DRAWS)  # rows of the large banks, and of no calibration


class TwoSurfaces(nn.Module):
    """A surface for each of two classes."""

    def __init__(self):
        super().__init__()
        self.each = nn.ModuleList([make_surface(1), make_surface(7)])

    def forward(self, z, label):
        return torch.where((label == 0)[:, None], self.each[0](z), self.each[1](z))


@pytest.fixture(scope="module")
def surfaces():
    return [make_surface(1), make_surface(7)]


@pytest.fixture(scope="module")
def meshes(surfaces):
    return [Mesh(surface, 800) for surface in surfaces]


@pytest.fixture(scope="module")
def one():
    return surface_generator(make_surface(1))


@pytest.fixture(scope="module")
def two():
    return pp.wrap(TwoSurfaces(), latent_dim=2, prior=uniform_square, num_classes=2)


@pytest.fixture(scope="module")
def banks(one, two):
    """By generator: a large bank for the bank sampler, and one of 2,000 latents to calibrate with."""
    return {
        one: (pp.build_bank(one, 800_000, k=2), pp.build_bank(one, 2000, k=2)),
        two: (pp.build_bank(two, 1_600_000, k=2), pp.build_bank(two, 2000, k=2)),
    }


def true_log_volume(net, z):
    """log vol by finite differences."""
    h = 1e-6
    slopes = [(net(z + h * axis) - net(z - h * axis)) / (2 * h) for axis in torch.eye(2, dtype=z.dtype)]
    return torch.linalg.cross(*slopes).norm(dim=1).log().numpy()


def p_values(net, z, weight, log_volume, cell):
    """Chi-square over cells and the score test, against quadrature over triangles: weights, log vol, and cells."""
    shares = np.bincount(cell, weight, CELLS**2)
    counts, expected = cell_counts(z.numpy()), len(z) * shares / shares.sum()
    rare = expected < 5  # joined into one cell, where there are any
    assert counts[expected == 0].sum() == 0, "latents outside the support"
    counts, expected = (np.append(each[~rare], each[rare].sum()) for each in (counts, expected))
    counts, expected = counts[expected > 0], expected[expected > 0]
    mean = weight @ log_volume / weight.sum()
    std = np.sqrt(weight @ (log_volume - mean) ** 2 / weight.sum())
    score = (true_log_volume(net, z).mean() - mean) / (std / np.sqrt(len(z)))
    return {"chi-square": chisquare(counts, expected).pvalue, "score": 2 * norm.sf(abs(score))}


def polarity(mesh, rho):
    return mesh.stretch**rho, np.log(mesh.stretch), mesh.cell


def rejected(found, level=LEVEL):
    """Names of the tests that Holm's procedure rejects."""
    out = []
    for rank, name in enumerate(sorted(found, key=found.get)):
        if found[name] > level / (len(found) - rank):
            break
        out.append(name)
    return out


def test_bank_and_online_draw_the_polarity_prior(one, two, banks, surfaces, meshes):
    found = {}
    for generator, classes in ((one, [None]), (two, [0, 1])):
        for name, bank in zip(("bank", "online"), banks[generator], strict=True):
            for rho in RHOS:
                sampler = pp.latent_sampler(generator, bank, rho, sampler=name)
                for label in classes:
                    own = OWN if label is None else 2 * OWN + label  # a bank of two classes has them in turn
                    for seeds in (FRESH, own) if name == "bank" else (FRESH[:ONLINE_DRAWS],):
                        z = sampler.sample(seeds, label).z
                        which = label or 0
                        ps = p_values(surfaces[which], z, *polarity(meshes[which], rho))
                        found |= {(name, label, rho, seeds[0], test): p for test, p in ps.items()}
    assert len(found) == 72
    assert rejected(found) == [], found


def test_shell_and_clamp_draw_their_own_laws(one, banks, surfaces, meshes):
    """Each is the polarity prior's quadrature, on the shell or with log-volumes clamped, at the bounds it states."""
    found = {}
    mesh = meshes[0]
    radius = np.linalg.norm(mesh.middle, axis=1)
    for name, bank in zip(("bank", "online"), banks[one], strict=True):
        for rho in (-1.0, 1.0):
            for support in ("shell", "clamp"):
                sampler = pp.latent_sampler(one, bank, rho, sampler=name, support=support)
                stated = sampler.described()["laws"][0]["support"]
                low, high = stated["low"], stated["high"]
                if support == "shell":
                    assert np.quantile(radius, [0.005, 0.995]) == pytest.approx([low, high], abs=0.03)
                    weight = mesh.stretch**rho * ((low <= radius) & (radius <= high))
                else:
                    log_volume = np.log(mesh.stretch)
                    assert np.quantile(log_volume, [0.005, 0.995]) == pytest.approx([low, high], abs=0.06)
                    weight = np.exp(rho * np.clip(log_volume, low, high))
                for seeds in (FRESH, OWN) if name == "bank" else (FRESH[:ONLINE_DRAWS],):
                    z = sampler.sample(seeds).z
                    ps = p_values(surfaces[0], z, weight, np.log(mesh.stretch), mesh.cell)
                    found |= {(name, support, rho, seeds[0], test): p for test, p in ps.items()}
    assert rejected(found) == [], found


def distance(points):
    """A statistic of the surface's points that goes with its stretch."""
    return points.norm(dim=1)


def test_held_draws_have_their_own_law(one, banks, surfaces, meshes):
    """Against quadrature with the multipliers that the sampler states; with nothing held the same tests fail."""
    mesh, net, rho = meshes[0], surfaces[0], 1.0
    points = distance(net(torch.from_numpy(mesh.middle))).numpy()
    held, free = {}, {}
    for name, bank in zip(("bank", "online"), banks[one], strict=True):
        sampler = pp.latent_sampler(
            one, Bank.of(bank.info, bank.columns(0, 50_000)), rho, sampler=name, hold=(distance,)
        )
        stated = sampler.described()["laws"][0]["hold"]
        assert stated["centre"] + stated["scale"] == pytest.approx([points.mean(), points.std()], rel=0.1)
        standard = (points - stated["centre"]) / stated["scale"]
        weight = mesh.stretch**rho * np.exp(-(stated["lambda"][0] * standard + stated["lambda"][1] * standard**2))
        moments = [np.average(standard**power, weights=weight) for power in (1, 2)]
        assert moments == pytest.approx([0, 1], abs=0.1)
        law = (weight, np.log(mesh.stretch), mesh.cell)
        held |= {(name, test): p for test, p in p_values(net, sampler.sample(FRESH[:ONLINE_DRAWS]).z, *law).items()}
        plain = pp.latent_sampler(one, bank, rho, sampler=name).sample(FRESH[:ONLINE_DRAWS]).z
        free |= {(name, test): p for test, p in p_values(net, plain, *law).items()}
    assert rejected(held) == [], held
    assert {name for name, _ in rejected(free)} == {"bank", "online"}


def test_biased_samplers_are_caught(one, banks, surfaces, meshes):
    """By the same tests, at the same level: Algorithm 2 with a bank of 10, too low a bound, no replacement."""
    calibration, net = banks[one][1], surfaces[0]
    log_volumes = LogVolumes(one, calibration, 2, pp.jacobian_fn)
    ten = pp.build_bank(one, 10, k=2)
    rho = -1.0
    drawn = {}
    with pytest.warns(UserWarning, match=r"^rho: ") as said:
        drawn["Algorithm 2 with a bank of 10"] = pp.latent_sampler(one, ten, rho, sampler="paper-online", force=True)
    assert {each.filename for each in said} == {__file__}
    online = pp.latent_sampler(one, calibration, rho, sampler="online")
    (acceptance,) = online._acceptances.values()
    low = replace(acceptance, bound=acceptance.bound - 1.5)
    drawn["a bound that is too low"] = FreshSampler(one, calibration, log_volumes, {None: low}, online.diagnostics)
    found = {}
    for name, sampler in drawn.items():
        found[name] = p_values(net, sampler.sample(FRESH[:8000]).z, *polarity(meshes[0], rho))
    assert drawn["a bound that is too low"].diagnostics.spending.exceedances > 100
    volumes = banks[one][0].log_volume()[: 2 * DRAWS]
    weights = np.exp(rho * (volumes - volumes.min()))
    rows = np.random.default_rng(0).choice(2 * DRAWS, DRAWS, replace=False, p=weights / weights.sum())
    found["without replacement"] = p_values(net, one.prior.draw(rows).z, *polarity(meshes[0], rho))
    for name, ps in found.items():
        assert rejected(ps), name


def test_algorithm_2_with_a_large_bank_is_nearly_right(one, surfaces, meshes):
    bank = pp.build_bank(one, 300, k=2)
    sampler = pp.latent_sampler(one, bank, 0.5, sampler="paper-online")
    z = sampler.sample(FRESH[:300]).z
    assert p_values(surfaces[0], z, *polarity(meshes[0], 0.5))["score"] > LEVEL
    assert sampler.diagnostics.spending.acceptance == pytest.approx(1 / 301, rel=0.2)
