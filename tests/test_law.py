"""The law that is drawn, against areas of a mesh: no expected value here has seen a Jacobian."""

from __future__ import annotations

import numpy as np
import polarprior as pp
import pytest
import torch
from scipy.stats import chisquare, norm
from surface import Mesh, cell_counts, make_surface, surface_generator

DRAWS = 50_000
ALPHA = 1e-4
FRESH = range(2**31, 2**31 + DRAWS)  # seeds that are no rows of the bank


@pytest.fixture(scope="module")
def surface():
    return make_surface()


@pytest.fixture(scope="module")
def mesh(surface):
    return Mesh(surface, 800)


@pytest.fixture(scope="module")
def generator(surface):
    return surface_generator(surface)


@pytest.fixture(scope="module")
def bank(generator):
    return pp.build_bank(generator, 1_500_000, k=2)


def draw(generator, bank, rho):
    sampler = pp.latent_sampler(generator, bank, rho)
    assert sampler.diagnostics.ess >= 20 * DRAWS, "the bank itself would add noise"
    return sampler.sample(FRESH).z


def chi_square(z, shares):
    return chisquare(cell_counts(z.numpy()), DRAWS * shares).pvalue


def score_test(net, z, mesh, rho):
    """p-value of the mean log-volume of the draws against quadrature; log-volumes by finite differences."""
    mean, std = mesh.log_volume_moments(rho)
    h = 1e-6
    slopes = [(net(z + h * axis) - net(z - h * axis)) / (2 * h) for axis in torch.eye(2, dtype=z.dtype)]
    log_volume = torch.linalg.cross(*slopes).norm(dim=1).log().numpy()
    return 2 * norm.sf(abs(log_volume.mean() - mean) / (std / np.sqrt(len(z))))


def test_rho_1_on_a_uniform_latent_is_uniform_on_the_surface(generator, bank, mesh):
    area = np.bincount(mesh.cell, mesh.stretch)
    assert chi_square(draw(generator, bank, 1.0), area / area.sum()) > ALPHA


def test_rho_0_is_not(generator, bank, mesh):
    assert chi_square(draw(generator, bank, 0.0), mesh.cell_shares(1.0)) < ALPHA


@pytest.mark.parametrize("rho", [-1.0, 0.5, 1.0])
def test_any_rho_against_quadrature(surface, generator, bank, mesh, rho):
    z = draw(generator, bank, rho)
    assert chi_square(z, mesh.cell_shares(rho)) > ALPHA
    assert score_test(surface, z, mesh, rho) > ALPHA


@pytest.mark.parametrize("rho", [-1.0, 1.0])
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_rho_that_is_wrong_by_a_tenth_is_caught(surface, generator, bank, mesh, rho, factor):
    z = draw(generator, bank, factor * rho)
    assert score_test(surface, z, mesh, rho) < ALPHA


def test_negative_rho_means_modes(generator, bank):
    """Modes are where the generator contracts volume, so that its density there is high."""
    modes, anti_modes = draw(generator, bank, -1.0), draw(generator, bank, 1.0)
    triangle = torch.tensor([[0.0, 0.0], [1e-5, 0.0], [0.0, 1e-5]], dtype=torch.float64)

    def local_area(z):
        corners = [generator(pp.Latents(z + offset), batch_size=len(z)) for offset in triangle]
        return torch.linalg.cross(corners[1] - corners[0], corners[2] - corners[0]).norm(dim=1).log().mean()

    stock = generator.prior.draw(FRESH).z
    assert local_area(modes) < local_area(stock) - 0.1
    assert local_area(anti_modes) > local_area(stock) + 0.1
