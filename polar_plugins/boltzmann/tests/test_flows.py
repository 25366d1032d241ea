"""Bases, flows, and the metrics that judge them, against laws that are known."""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
import pytest
import torch
from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import OfFunction, four_gaussians, two_gaussians
from polarprior_boltzmann.flow import Flow, carry, carry_adaptively
from polarprior_boltzmann.interpolations import OverRho
from polarprior_boltzmann.losses import continuity_error
from scipy.stats import kstest, norm


def noise():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("energy", [four_gaussians(), two_gaussians()])
def test_a_mixture_is_normalised_and_sampled(energy):
    grid = torch.linspace(-16, 16, 801, dtype=torch.float64)
    plane = torch.cartesian_prod(grid, grid)
    assert float((-energy(plane)).exp().sum() * (grid[1] - grid[0]) ** 2) == pytest.approx(1, abs=1e-6)
    found = energy.sample(20_000, noise())
    nearest = torch.cdist(found, energy.modes).argmin(1)
    shares = torch.bincount(nearest, minlength=len(energy.modes)) / 20_000
    torch.testing.assert_close(shares, energy.weights, atol=0.02, rtol=0)


@pytest.mark.parametrize(("p", "sigma"), [(2.0, sqrt(2)), (4.0, 1.0), (1.0, 0.7)])
def test_bases_are_normalised_and_sampled(p, sigma):
    base = GeneralisedGaussian(1, p, sigma)
    grid = torch.linspace(-20, 20, 400_001, dtype=torch.float64)[:, None]
    density = base.log_density(grid).exp()
    step = float(grid[1] - grid[0])
    assert float(density.sum() * step) == pytest.approx(1, abs=1e-6)
    assert float((density * grid[:, 0] ** 2).sum() * step) == pytest.approx(base.std**2, rel=1e-5)
    cumulative = density.cumsum(0).numpy() * step
    drawn = base.sample(5000, noise())[:, 0].numpy()
    assert kstest(drawn, lambda x: np.interp(x, grid[:, 0].numpy(), cumulative)).pvalue > 1e-3


class Exact:
    """The field that carries N(0, 1) along f_t = x²/2 - t a x: a constant."""

    slope = torch.tensor([0.7, -0.3], dtype=torch.float64)

    def with_divergence(self, x, t):
        return self.slope.expand_as(x), torch.zeros(len(x), dtype=x.dtype)

    at_once = 4096
    __call__ = staticmethod(lambda x, t: Exact.slope.expand_as(x))


def test_the_exact_solution_has_no_continuity_error(points):
    """Eq. 12 with V = a, f_t = |x|²/2 - t a x: C_t = d_t log Z_t = t |a|² (Lemma 1); another C has an error."""
    path = OverRho(OfFunction(lambda z: z @ Exact.slope, 2), 1.0)
    x, t = points(50, 2), torch.linspace(0, 1, 50, dtype=torch.float64)
    right = lambda at: at * Exact.slope.square().sum()  # noqa: E731
    assert float(continuity_error(Exact(), right, path, x, t).max()) < 1e-12
    wrong = lambda at: 2 * at * Exact.slope.square().sum()  # noqa: E731
    assert float(continuity_error(Exact(), wrong, path, x, t).max()) > 0.1
    draws, log_q = Flow(GeneralisedGaussian.normal(2), Exact()).push(x)
    torch.testing.assert_close(draws, x + Exact.slope)
    expected = -(draws - Exact.slope).square().sum(1) / 2 - log(2 * pi)
    torch.testing.assert_close(log_q, expected, rtol=1e-10, atol=1e-10)


def test_the_density_of_a_flow_integrates_to_one(mlps):
    """Eq. 4, in the plane."""
    field = mlps(2, 2, 2)
    flow = Flow(GeneralisedGaussian.normal(2), field)
    grid = torch.linspace(-12, 12, 241, dtype=torch.float64)
    plane = torch.cartesian_prod(grid, grid)
    total = float(flow.log_density(plane).exp().sum() * (grid[1] - grid[0]) ** 2)
    assert total == pytest.approx(1, abs=1e-4)


def test_there_and_back_again(points, mlps):
    """The round trip of a flow, and its densities from both sides, to 1e-5."""
    field = mlps(3, 3, 2)
    z = points(200, 3)
    with torch.no_grad():
        there = carry(field, z)
        back = carry(field, there.points, 1.0, 0.0)
    assert float((back.points - z).abs().max()) < 1e-5
    assert float((back.divergence + there.divergence).abs().max()) < 1e-5
    flow = Flow(GeneralisedGaussian.normal(3), field)
    draws, log_q = flow.push(z)
    assert float((flow.log_density(draws) - log_q).abs().max()) < 1e-5


def test_rules_agree_with_adaptive_steps(points, mlps):
    pytest.importorskip("torchdiffeq")
    field = mlps(3, 3, 2)
    z = points(50, 3)
    with torch.no_grad():
        exact = carry_adaptively(field, z, tolerance=1e-10)
        errors = {}
        for rule, steps in (("midpoint", 50), ("midpoint", 100), ("runge-kutta", 10), ("runge-kutta", 20)):
            found = carry(field, z, steps=steps, rule=rule)
            errors[rule, steps] = float((found.points - exact.points).abs().max())
    assert errors["midpoint", 50] / errors["midpoint", 100] == pytest.approx(4, rel=0.2)  # second order
    assert errors["runge-kutta", 10] / errors["runge-kutta", 20] == pytest.approx(16, rel=0.5)  # fourth
    assert errors["runge-kutta", 20] < 1e-5


def test_metrics_on_laws_that_are_known():
    """q = N(0, 1), p = N(d, 1): both divergences are d²/2, both ESS exp(-d²); an asymmetric case tells p from q."""
    from polarprior_boltzmann import metrics

    d = 0.5
    stream = np.random.default_rng(0)
    of_q, of_p = torch.from_numpy(stream.standard_normal(400_000)), torch.from_numpy(stream.normal(d, 1, 400_000))

    def log_q(x):
        return torch.from_numpy(norm(0, 1).logpdf(x.numpy()))

    def energy(x):
        return -torch.from_numpy(norm(d, 1).logpdf(x.numpy()))

    assert metrics.reverse_kl(log_q(of_q), energy(of_q)) == pytest.approx(d**2 / 2, abs=0.01)
    assert metrics.forward_kl(log_q(of_p), energy(of_p)) == pytest.approx(d**2 / 2, abs=0.01)
    assert metrics.reverse_ess(log_q(of_q), energy(of_q)) == pytest.approx(np.exp(-(d**2)), abs=0.01)
    assert metrics.forward_ess(log_q(of_p), energy(of_p)) == pytest.approx(np.exp(-(d**2)), abs=0.01)
    narrow = torch.from_numpy(stream.normal(4, 1, 10_000))  # q that sees one mode of two, with p = half each
    two = lambda x: -np.logaddexp(norm(4, 1).logpdf(x), norm(-4, 1).logpdf(x)) - np.log(0.5)  # noqa: E731
    log_one = torch.from_numpy(norm(4, 1).logpdf(narrow.numpy()))
    assert metrics.reverse_ess(log_one, torch.from_numpy(two(narrow.numpy()))) > 0.99, "it is blind to what q misses"
    both = torch.cat([narrow, -narrow])
    assert (
        metrics.forward_ess(torch.from_numpy(norm(4, 1).logpdf(both.numpy())), torch.from_numpy(two(both.numpy())))
        < 0.51
    )


def test_hausdorff_looks_for_every_mode():
    from polarprior_boltzmann.metrics import hausdorff, mode_shares

    modes = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    samples = torch.tensor([[0.0, 0.1], [0.0, -2.0], [1.0, 0.0]])
    assert hausdorff(modes, samples) == pytest.approx(sqrt(4 + 16))
    assert mode_shares(modes, torch.cat([samples, modes[1:]])) == [0.75, 0.25]
