"""What a field is trained on: the continuity loss of the paper, and the reverse Kullback-Leibler divergence."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import Energy
from polarprior_boltzmann.flow import STEPS, carry, way
from polarprior_boltzmann.interpolations import Interpolation
from polarprior_boltzmann.networks import KernelMLPs

FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "absolute": lambda error: error,
    "square": lambda error: error.square(),
    "both": lambda error: error + error.square(),
    "log": lambda error: error.log1p(),
}
"""The four choices of L that the paper tried (its footnote 1); it used the third."""
FIT_ITERATIONS = 2000
"""Iterations of L-BFGS, at most, that fit C to a trained field."""


def continuity_error(
    field: KernelMLPs, constant: nn.Module, interpolation: Interpolation, x: Tensor, t: Tensor
) -> Tensor:
    """|d_t f + <grad f, V> - div V + C| at x [n, K] and t [n]: [n], eq. 15."""
    error: Tensor = change_on_a_way(field, interpolation, x, t) + constant(t)
    return error.abs()


def change_on_a_way(field: KernelMLPs, interpolation: Interpolation, x: Tensor, t: Tensor) -> Tensor:
    """d_t f + <grad f, V> - div V at x [n, K] and t [n]: [n].

    It is how fast f_t + log q_t grows along a way, q_t the law of the flow at time t.
    """
    change, slope = interpolation.derivatives(x, t)
    velocity, divergence = field.with_divergence(x, t)
    return change + (slope * velocity).sum(1) - divergence


def continuity_loss(
    field: KernelMLPs,
    constant: nn.Module,
    interpolation: Interpolation,
    z: Tensor,
    steps: int,
    ends: Sequence[float] = (1.0,),
    rule: str = "midpoint",
    form: str = "both",
    thin: int = 1,
) -> Tensor:
    """The mean of L(error) over the ways of z [n, K] under the field as it is, eq. 16.

    The points are taken for given: no gradient goes through the ways.

    Args:
        field, constant, interpolation: V, C and f.
        z: starting points; they are dealt out to the ends in turn.
        steps: of the ways, and times less one at which the error is taken.
        ends: the times where ways end.
        rule: that follows the field.
        form: of L, one of `FORMS`.
        thin: the error is taken at one in so many of these times: neighbours on a way tell little that is new. The
            ways are dealt out to the times in turn, so that the mean is the same.
    """
    points, times = [], []
    with torch.no_grad():
        for i, end in enumerate(ends):
            found = way(field, z[i :: len(ends)], steps, end, rule)
            at = torch.linspace(0, end, steps + 1, dtype=z.dtype, device=z.device)
            for j in range(thin):
                taken = found[j::thin, j::thin]
                points.append(taken.flatten(0, 1))
                times.append(at[j::thin].repeat_interleave(taken.shape[1]))
    error = continuity_error(field, constant, interpolation, torch.cat(points), torch.cat(times))
    return FORMS[form](error).mean()


def reverse_kl_loss(
    field: KernelMLPs, base: GeneralisedGaussian, target: Energy, z: Tensor, steps: int, rule: str = "midpoint"
) -> Tensor:
    """E over q of log q + f_1, eq. 1 without its constant, by draws z [n, K] of the base; gradients go through the
    ways."""
    there = carry(field, z, 0.0, 1.0, steps, rule)
    return (base.log_density(z) - there.divergence + target(there.points)).mean()


def fit_constant(
    constant: nn.Module,
    field: KernelMLPs,
    interpolation: Interpolation,
    z: Tensor,
    ends: Sequence[float] = (1.0,),
    steps: int = 2 * STEPS,
) -> None:
    """Fit C to a trained field by least squares of the error of eq. 15, over the ways of draws of the base.

    The loss of eq. 16 is no least squares, and its points may start wider than the base: C is off by what they say of
    places where the flow hardly goes. What is fitted here is -E over q_t of `change_on_a_way`, whose integral from 0
    to t is log Z_t - log Z_0 less the reverse Kullback-Leibler divergence of the flow.

    Args:
        constant: C, whose weights are changed.
        field, interpolation: V and f.
        z: draws [n, K] of the base.
        ends: the times where ways end.
        steps: of the ways, by Runge-Kutta's rule.
    """
    times, slopes = [], []
    with torch.no_grad():
        for end in ends:
            at = torch.linspace(0, end, steps + 1, dtype=z.dtype, device=z.device)
            parts = [way(field, part, steps, end, "runge-kutta") for part in z.split(field.at_once)]
            for t, points in zip(at, torch.cat(parts, 1), strict=True):
                growths = [
                    change_on_a_way(field, interpolation, x, t.expand(len(x))) for x in points.split(field.at_once)
                ]
                times.append(t)
                slopes.append(-torch.cat(growths).mean())
    t, slope = torch.stack(times).double(), torch.stack(slopes).double()
    fit = torch.optim.LBFGS(
        constant.double().parameters(),
        max_iter=FIT_ITERATIONS,
        tolerance_grad=0,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        fit.zero_grad()
        found = (constant(t) - slope).square().mean()
        found.backward()
        return found

    fit.step(loss)
    constant.to(z.dtype)
