"""Energies, networks, interpolations and flows against automatic differentiation and known laws, in float64."""

from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
import pytest
import torch
from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import DoubleWell, OfFunction, four_gaussians, two_gaussians
from polarprior_boltzmann.flow import Flow, carry, carry_adaptively, way
from polarprior_boltzmann.interpolations import Diffusion, Linear, OverRho, Trainable
from polarprior_boltzmann.losses import FORMS, continuity_error, continuity_loss, reverse_kl_loss
from polarprior_boltzmann.networks import KernelMLPs, OfTime, swish_with_slope
from scipy.stats import kstest, norm
from torch.autograd.functional import jacobian


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def points(n, dim, seed=1):
    return torch.randn(n, dim, generator=noise(seed), dtype=torch.float64)


def mlps(dim, outputs, layers, kernels=4, span=(0.0, 1.0)):
    return KernelMLPs.initial(
        dim, outputs, width=12, layers=layers, kernels=kernels, span=span, noise=noise()
    ).double()


ENERGIES = {
    "four": (four_gaussians(), 2),
    "two": (two_gaussians(), 2),
    "well": (DoubleWell(6, 3.0), 6),
    "normal": (GeneralisedGaussian.normal(3, 2.0), 3),
    "quartic": (GeneralisedGaussian(3, 4.0, 1.0), 3),
    "own": (OfFunction(lambda x: x.square().sum(1) + x[:, 0].sin(), 3), 3),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_gradients_of_energies_are_those_of_autograd(name):
    energy, dim = ENERGIES[name]
    x = 3 * points(20, dim)
    value, slope = energy.with_gradient(x)
    x.requires_grad_()
    expected = energy(x)
    (by_autograd,) = torch.autograd.grad(expected.sum(), x)
    torch.testing.assert_close(value, expected.detach(), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(slope, by_autograd, rtol=1e-10, atol=1e-10)


def test_the_action_is_that_of_equation_27():
    """Written out, with the circle closed, at m = 1.5, lambda = 1, T = 4, N = 3."""
    phi = [0.3, -1.2, 0.7]
    step = 4 / 3
    action = 0.0
    for i in range(3):
        action += 1.5 / 2 * ((phi[i] - phi[(i + 1) % 3]) / step) ** 2 * step
        action += (-1.5 / 2 * phi[i] ** 2 + phi[i] ** 4 / 4) * step
    assert float(DoubleWell(3, 1.5)(torch.tensor([phi], dtype=torch.float64))) == pytest.approx(action, abs=1e-12)
    well = DoubleWell(5, 2.0)
    value, slope = well.with_gradient(well.modes.double())
    assert float(slope.abs().max()) < 1e-6
    assert (value < well(well.modes.double() + 0.1)).all()


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


@pytest.mark.parametrize("kernels", [1, 4])
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_divergence_and_gradients_are_those_of_autograd(layers, kernels):
    """Closed forms against automatic differentiation, to 1e-8; parameters' gradients as well."""
    field, energy = mlps(3, 3, layers, kernels), mlps(3, 1, layers, kernels)
    x, t = points(7, 3), torch.linspace(0, 1, 7, dtype=torch.float64)
    value, divergence = field.with_divergence(x, t)
    torch.testing.assert_close(value, field(x, t), rtol=1e-12, atol=1e-12)
    rows = [jacobian(lambda at, i=i: field(at[None], t[i : i + 1])[0], x[i], create_graph=True) for i in range(7)]
    traces = torch.stack([row.trace() for row in rows])
    torch.testing.assert_close(divergence, traces, rtol=1e-8, atol=1e-10)
    parameters = list(field.parameters())
    ours = torch.autograd.grad(divergence.square().sum(), parameters, allow_unused=True)
    theirs = torch.autograd.grad(traces.square().sum(), parameters, allow_unused=True)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(
            torch.zeros(1) if mine is None else mine,
            torch.zeros(1) if other is None else other,
            rtol=1e-8,
            atol=1e-10,
        )
    x.requires_grad_()
    t.requires_grad_()
    f, slope, change = energy.with_gradient(x, t)
    expected = energy(x, t)[:, 0]
    by_x, by_t = torch.autograd.grad(expected.sum(), (x, t), create_graph=True)
    for mine, other in ((f, expected), (slope, by_x), (change, by_t)):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)
    of = [each for each in energy.parameters() if each.requires_grad]
    ours = torch.autograd.grad((slope.square().sum() + change.sum()), of, retain_graph=True, allow_unused=True)
    theirs = torch.autograd.grad((by_x.square().sum() + by_t.sum()), of, allow_unused=True)
    for mine, other in zip(ours, theirs, strict=True):
        if other is None:  # autograd knows that it has no part; in closed form it has one of 0
            assert mine is None or not bool(mine.any())
        else:
            torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def test_second_derivatives_are_refused_rather_than_wrong():
    a, scale = points(5, 1).requires_grad_(), torch.ones(1, dtype=torch.float64, requires_grad=True)
    _, slope = swish_with_slope(a)
    (first,) = torch.autograd.grad((scale * slope).sum(), a, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_tangents_are_taken_in_bounded_numbers():
    deep = KernelMLPs.initial(512, 512, width=128, layers=3, kernels=4, noise=noise())
    assert deep.at_once * 4 * 512 * 128 <= 1 << 26
    assert mlps(2, 2, 2).at_once == 4096


def test_kernels_are_those_of_the_seed():
    """exp(-16 (t - c)²) at the centres 0, 1/3, 2/3, 1, not normalised."""
    kernel = mlps(2, 2, 2).kernel(torch.tensor([0.2], dtype=torch.float64))[0]
    expected = [np.exp(-16 * (0.2 - c) ** 2) for c in (0, 1 / 3, 2 / 3, 1)]
    torch.testing.assert_close(kernel, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-9)


def interpolations():
    base, target = GeneralisedGaussian.normal(2, 2.0), two_gaussians()
    network = mlps(2, 1, 2)
    linear = Linear(base, target)

    def straight(x, t):
        return (1 - t) * base(x) + t * target(x)

    return {
        "linear": (linear, straight),
        "trainable": (
            Trainable(base, target, network),
            lambda x, t: straight(x, t) + t * (1 - t) * network(x, t)[:, 0],
        ),
        "diffusion": (Diffusion(target, 2.0), Diffusion(target, 2.0).energy),
        "over rho": (
            OverRho(OfFunction(lambda z: z[:, 0].sin() * z[:, 1], 2), 0.4),
            lambda x, t: x.square().sum(1) / 2 - 0.4 * t * x[:, 0].sin() * x[:, 1],
        ),
    }


@pytest.mark.parametrize("name", ["linear", "trainable", "diffusion", "over rho"])
def test_derivatives_of_interpolations_are_those_of_autograd(name):
    interpolation, energy = interpolations()[name]
    x, t = 4 * points(30, 2), torch.linspace(0.01, 0.99, 30, dtype=torch.float64)
    change, slope = interpolation.derivatives(x, t)
    x.requires_grad_()
    t.requires_grad_()
    by_x, by_t = torch.autograd.grad(energy(x, t).sum(), (x, t))
    torch.testing.assert_close(slope.detach(), by_x, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(change.detach(), by_t, rtol=1e-8, atol=1e-8)


def test_a_diffusion_starts_at_the_base_and_ends_at_the_target():
    """Eq. 19: at any time it is normalised."""
    target = two_gaussians()
    family = Diffusion(target, 2.0)
    x = 3 * points(10, 2)
    torch.testing.assert_close(family.energy(x, torch.ones(10, dtype=torch.float64)), target(x), rtol=1e-9, atol=1e-9)
    base = GeneralisedGaussian.normal(2, 2.0)
    start = family.energy(x, torch.zeros(10, dtype=torch.float64))
    torch.testing.assert_close(start, -base.log_density(x), rtol=0.1, atol=0.3)  # taken at FIRST
    grid = torch.linspace(-14, 14, 561, dtype=torch.float64)
    plane = torch.cartesian_prod(grid, grid)
    total = (-family.energy(plane, torch.full((len(plane),), 0.4, dtype=torch.float64))).exp().sum()
    assert float(total * (grid[1] - grid[0]) ** 2) == pytest.approx(1, abs=1e-5)


class Exact:
    """The field that carries N(0, 1) along f_t = x²/2 - t a x: a constant."""

    slope = torch.tensor([0.7, -0.3], dtype=torch.float64)

    def with_divergence(self, x, t):
        return self.slope.expand_as(x), torch.zeros(len(x), dtype=x.dtype)

    at_once = 4096
    __call__ = staticmethod(lambda x, t: Exact.slope.expand_as(x))


def test_the_exact_solution_has_no_continuity_error():
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


def test_the_continuity_loss_against_autograd():
    """Value and gradients of eq. 16 on points of its own, by automatic differentiation alone, to 1e-8."""
    base, target = GeneralisedGaussian.normal(2, 2.0), two_gaussians()
    field, network = mlps(2, 2, 2), mlps(2, 1, 2)
    constant = OfTime(width=8, layers=2, noise=noise()).double()
    family = Trainable(base, target, network)
    z = 2 * points(6, 2)
    ours = continuity_loss(field, constant, family, z, 5)
    with torch.no_grad():
        along = way(field, z, 5)
    total = 0.0
    for i, at in enumerate(torch.linspace(0, 1, 6, dtype=torch.float64)):
        x = along[i].clone().requires_grad_()
        t = at.clone().repeat(6).requires_grad_()
        f = (1 - t) * base(x) + t * target(x) + t * (1 - t) * network(x, t)[:, 0]
        by_x, by_t = torch.autograd.grad(f.sum(), (x, t), create_graph=True)
        v = field(x, t)
        div = sum(torch.autograd.grad(v[:, j].sum(), x, create_graph=True)[0][:, j] for j in range(2))
        error = (by_t + (by_x * v).sum(1) - div + constant(t)).abs()
        total = total + FORMS["both"](error).mean() / 6
    torch.testing.assert_close(ours, total, rtol=1e-8, atol=1e-10)
    for module in (field, network, constant):
        parameters = list(module.parameters())
        for mine, other in zip(
            torch.autograd.grad(ours, parameters, retain_graph=True),
            torch.autograd.grad(total, parameters, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-9)


def test_the_reverse_kl_loss_is_its_own_mean():
    """Eq. 1 without its constant, and gradients that finite differences agree with."""
    base, target, field = GeneralisedGaussian.normal(2), four_gaussians(), mlps(2, 2, 2)
    z = points(20, 2)
    loss = reverse_kl_loss(field, base, target, z, 10, "runge-kutta")
    flow = Flow(base, field, steps=10)
    draws, log_q = flow.push(z)
    assert loss.item() == pytest.approx(float((log_q + target(draws)).mean()), rel=1e-10)
    bias = field.biases[-1]
    (slope,) = torch.autograd.grad(loss, bias)
    with torch.no_grad():
        bias[1, 0, 0] += 1e-5
        up = reverse_kl_loss(field, base, target, z, 10, "runge-kutta")
        bias[1, 0, 0] -= 2e-5
        down = reverse_kl_loss(field, base, target, z, 10, "runge-kutta")
    assert float(up - down) / 2e-5 == pytest.approx(float(slope[1, 0, 0]), rel=1e-5)


def test_the_density_of_a_flow_integrates_to_one():
    """Eq. 4, in the plane."""
    field = mlps(2, 2, 2)
    flow = Flow(GeneralisedGaussian.normal(2), field)
    grid = torch.linspace(-12, 12, 241, dtype=torch.float64)
    plane = torch.cartesian_prod(grid, grid)
    total = float(flow.log_density(plane).exp().sum() * (grid[1] - grid[0]) ** 2)
    assert total == pytest.approx(1, abs=1e-4)


def test_there_and_back_again():
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


def test_rules_agree_with_adaptive_steps():
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
