"""Energies, networks, interpolations and losses against automatic differentiation, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import DoubleWell, OfFunction, four_gaussians, two_gaussians
from polarprior_boltzmann.flow import Flow, way
from polarprior_boltzmann.interpolations import Diffusion, Linear, OverRho, Trainable
from polarprior_boltzmann.losses import FORMS, continuity_error, continuity_loss, reverse_kl_loss
from polarprior_boltzmann.networks import KernelMLPs, OfTime, swish_with_slope
from torch.autograd.functional import jacobian


def noise():
    return torch.Generator().manual_seed(0)


ENERGIES = {
    "four": (four_gaussians(), 2),
    "two": (two_gaussians(), 2),
    "well": (DoubleWell(6, 3.0), 6),
    "normal": (GeneralisedGaussian.normal(3, 2.0), 3),
    "quartic": (GeneralisedGaussian(3, 4.0, 1.0), 3),
    "own": (OfFunction(lambda x: x.square().sum(1) + x[:, 0].sin(), 3), 3),
}


@pytest.mark.parametrize("name", ENERGIES)
def test_gradients_of_energies_are_those_of_autograd(points, name):
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


@pytest.mark.parametrize("kernels", [1, 4])
@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_divergence_and_gradients_are_those_of_autograd(points, mlps, layers, kernels):
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


def test_second_derivatives_are_refused_rather_than_wrong(points):
    a, scale = points(5, 1).requires_grad_(), torch.ones(1, dtype=torch.float64, requires_grad=True)
    _, slope = swish_with_slope(a)
    (first,) = torch.autograd.grad((scale * slope).sum(), a, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_tangents_are_taken_in_bounded_numbers(mlps):
    deep = KernelMLPs.initial(512, 512, width=128, layers=3, kernels=4, noise=noise())
    assert deep.at_once * 4 * 512 * 128 <= 1 << 26
    assert mlps(2, 2, 2).at_once == 4096


def test_kernels_are_those_of_the_seed(mlps):
    """exp(-16 (t - c)²) at the centres 0, 1/3, 2/3, 1, not normalised."""
    kernel = mlps(2, 2, 2).kernel(torch.tensor([0.2], dtype=torch.float64))[0]
    expected = [np.exp(-16 * (0.2 - c) ** 2) for c in (0, 1 / 3, 2 / 3, 1)]
    torch.testing.assert_close(kernel, torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=1e-9)


def interpolations(mlps):
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
def test_derivatives_of_interpolations_are_those_of_autograd(points, mlps, name):
    interpolation, energy = interpolations(mlps)[name]
    x, t = 4 * points(30, 2), torch.linspace(0.01, 0.99, 30, dtype=torch.float64)
    change, slope = interpolation.derivatives(x, t)
    x.requires_grad_()
    t.requires_grad_()
    by_x, by_t = torch.autograd.grad(energy(x, t).sum(), (x, t))
    torch.testing.assert_close(slope.detach(), by_x, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(change.detach(), by_t, rtol=1e-8, atol=1e-8)


def test_a_diffusion_starts_at_the_base_and_ends_at_the_target(points):
    """Eq. 19: at any time it is normalised."""
    target = two_gaussians()
    family = Diffusion(target, 2.0)
    x = 3 * points(10, 2)
    torch.testing.assert_close(family.energy(x, torch.ones(10, dtype=torch.float64)), target(x), rtol=1e-9, atol=1e-9)
    base = GeneralisedGaussian.normal(2, 2.0)
    start = family.energy(x, torch.zeros(10, dtype=torch.float64))
    torch.testing.assert_close(start, -base.log_density(x), rtol=1e-7, atol=1e-7)
    grid = torch.linspace(-14, 14, 561, dtype=torch.float64)
    plane = torch.cartesian_prod(grid, grid)
    total = (-family.energy(plane, torch.full((len(plane),), 0.4, dtype=torch.float64))).exp().sum()
    assert float(total * (grid[1] - grid[0]) ** 2) == pytest.approx(1, abs=1e-5)


def test_the_continuity_loss_against_autograd(points, mlps):
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


def test_a_thinned_loss_looks_at_every_time_and_every_way(points, mlps):
    """One time in three of each way, and all times among three neighbouring ways."""
    field, constant = mlps(2, 2, 2), OfTime(width=8, layers=2, noise=noise()).double()
    family, z = Linear(GeneralisedGaussian.normal(2, 2.0), two_gaussians()), 2 * points(6, 2)
    along = way(field, z, 5).detach()
    times = torch.linspace(0, 1, 6, dtype=z.dtype)
    whole = torch.stack([continuity_error(field, constant, family, along[i], times[i].repeat(6)) for i in range(6)])
    seen = torch.tensor([[(i - j) % 3 == 0 for j in range(6)] for i in range(6)])
    thinned = continuity_loss(field, constant, family, z, 5, form="absolute", thin=3)
    torch.testing.assert_close(thinned, whole[seen].mean())
    assert bool(seen.any(0).all() and seen.any(1).all())


def test_the_reverse_kl_loss_is_its_own_mean(points, mlps):
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
