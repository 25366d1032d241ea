"""Entropic optimal transport between weighted sets of points, and the distance of two sets of features that it gives:
Cuturi (2013), Brauer et al. (2017), Feydy et al. (2019)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from polarprior.metrics.features import check_features

TOLERANCE = 1e-6
SCALINGS = 100
"""Scalings of rows and columns, after which Newton's method goes on."""
NEWTON_STEPS, HALVINGS = 100, 40
"""Steps of Newton's method at most, and how often a step is halved that does not lead upwards."""
TINY = 1e-12
"""What is added to the weights of rows where Newton's method divides by differences of them."""
ABSORBED = 10
"""Scalings between two exponentials."""
MOST_ROWS = 1000
"""Rows of a set of features that are compared: of a larger set, so many, evenly spaced."""
CLOSE = 1e-4
"""Tolerance of the distance of two sets."""
SMOOTHING = 0.05
"""Entropy's weight in the distance of two sets, as a share of the mean cost between them."""


class Transport(NamedTuple):
    """What `entropic_transport` returns.

    Attributes:
        value: [b], min of <C, F> - gamma h(F) with h(F) = -<F, log F>.
        plan: F, [b, m, n]; its columns have the weights asked for, its rows to within `error`.
        rows, columns: the dual variables, [b, m] and [b, n]; -inf where a weight is 0.
        error: [b], sums of the absolute differences of the rows' weights.
        converged: bool [b], whether the error is within the tolerance.
    """

    value: Tensor
    plan: Tensor
    rows: Tensor
    columns: Tensor
    error: Tensor
    converged: Tensor


def entropic_transport(
    cost: Tensor,
    a: Tensor,
    b: Tensor,
    gamma: float,
    *,
    columns: Tensor | None = None,
    tolerance: float = TOLERANCE,
) -> Transport:
    """Many problems at once: by `SCALINGS` scalings, then by Newton's method in float64 where these are not enough.

    The duals are taken up every few scalings; those that overflow between go on by logarithms.

    Args:
        cost: C, floats [b, m, n].
        a, b: weights of rows [b, m] and columns [b, n], each of which sums to 1; 0 where a set is shorter.
        gamma: of the entropy, above 0, in units of the cost.
        columns: dual variables to start from.
        tolerance: see `Transport.error`.
    """
    g = torch.zeros_like(b).masked_fill(b == 0, -torch.inf) if columns is None else columns
    f, g = _scaled_in_logarithms(cost, a, b, g, gamma, 1)
    plan = _plan(cost, f, g, gamma)
    error = (plan.sum(2) - a).abs().sum(1)
    for _ in range(0, SCALINGS, ABSORBED):
        left = (~(error <= tolerance)).nonzero()[:, 0]
        if not len(left):
            break
        rows, columns_of, kernel = a[left], b[left], plan[left]
        v = torch.ones_like(columns_of)
        for _ in range(ABSORBED):
            u = _divided(rows, torch.bmm(kernel, v[:, :, None])[:, :, 0])
            v = _divided(columns_of, torch.bmm(kernel.mT, u[:, :, None])[:, :, 0])
        fine = u.isfinite().all(1) & v.isfinite().all(1)
        kept, over = left[fine], left[~fine]
        f[kept] += gamma * u[fine].log()
        g[kept] += gamma * v[fine].log()
        if len(over):
            f[over], g[over] = _scaled_in_logarithms(cost[over], a[over], b[over], g[over], gamma, ABSORBED)
        kernel = _plan(cost[left], f[left], g[left], gamma)
        plan[left] = kernel
        error[left] = (kernel.sum(2) - rows).abs().sum(1)
    left = (~(error <= tolerance)).nonzero()[:, 0]
    if len(left):
        duals = _by_newton(cost[left], a[left], b[left], f[left], gamma, tolerance)
        f[left], g[left] = (each.to(cost.dtype) for each in duals)
        plan[left] = _plan(cost[left], f[left], g[left], gamma)
        error[left] = (plan[left].sum(2) - a[left]).abs().sum(1)
    return Transport(_weighted(a, f) + _weighted(b, g), plan, f, g, error, error <= tolerance)


def transport_distance(real: Tensor, generated: Tensor, smoothing: float = SMOOTHING) -> float:
    """How far one set of features is from another: the debiased W(P, Q) - W(P, P) / 2 - W(Q, Q) / 2, all of one
    weight, under squared Euclidean costs; 0 between a set and itself, never below 0 (Feydy et al. 2019, eq. 3).

    Args:
        real, generated: features [n, D], [m, D]; of each at most `MOST_ROWS` are compared.
        smoothing: the entropy's weight, as a share of the mean cost between the two.

    Raises:
        UsageError: what is no features.
    """
    check_features(real, generated)
    p, q = _thinned(real).double(), _thinned(generated).double()
    between = torch.cdist(p, q).square()
    gamma = smoothing * float(between.mean())
    if gamma == 0:
        return 0.0
    values = [_of_sets(cost, gamma) for cost in (between, torch.cdist(p, p).square(), torch.cdist(q, q).square())]
    return values[0] - (values[1] + values[2]) / 2


def _thinned(features: Tensor) -> Tensor:
    if len(features) <= MOST_ROWS:
        return features
    return features[torch.linspace(0, len(features) - 1, MOST_ROWS).round().long()]


def _of_sets(cost: Tensor, gamma: float) -> float:
    m, n = cost.shape
    a, b = cost.new_full((1, m), 1 / m), cost.new_full((1, n), 1 / n)
    return float(entropic_transport(cost[None], a, b, gamma, tolerance=CLOSE).value)


def _scaled_in_logarithms(
    cost: Tensor, a: Tensor, b: Tensor, g: Tensor, gamma: float, times: int
) -> tuple[Tensor, Tensor]:
    """Duals of rows and columns after as many scalings of each, from those of the columns."""
    log_a, log_b = a.log(), b.log()
    for _ in range(times):
        f = gamma * (log_a - torch.logsumexp((g[:, None] - cost) / gamma, 2))
        g = _best_columns(cost, log_b, f, gamma)
    return f, g


def _best_columns(cost: Tensor, log_b: Tensor, f: Tensor, gamma: float) -> Tensor:
    """The duals of the columns that give these their weights, for duals of the rows."""
    return gamma * (log_b - torch.logsumexp((f[:, :, None] - cost) / gamma, 1))


def _by_newton(
    cost: Tensor, a: Tensor, b: Tensor, f: Tensor, gamma: float, tolerance: float
) -> tuple[Tensor, Tensor]:
    """Duals of rows and columns by Newton's method on the duals of the rows, as far as they need it (Brauer et al.
    2017). The columns are always scaled, and a step is halved until the dual value rises."""
    cost, f = cost.double(), f.double()
    a, b = (each.double() / each.double().sum(1, keepdim=True) for each in (a, b))  # one sum for both, to float64
    g, value, plan = _semi_dual(cost, a, b, f, gamma)
    weighted = (a > 0).double()
    for _ in range(NEWTON_STEPS):
        missing = a - plan.sum(2)
        left = (missing.abs().sum(1) > tolerance / 2).nonzero()[:, 0]
        if not len(left):
            break
        ways = _newton_ways(plan[left], b[left], weighted[left], missing[left], gamma)
        slope, length = (missing[left] * ways).sum(1), ways.new_ones(len(left))
        for _ in range(HALVINGS):
            tried = f[left] + length[:, None] * ways
            of_tried = _semi_dual(cost[left], a[left], b[left], tried, gamma)
            rounding = torch.finfo(f.dtype).eps * value[left].abs()
            up = of_tried[1] >= value[left] + 1e-4 * length * slope - rounding
            f[left[up]] = tried[up]
            for kept, new in zip((g, value, plan), of_tried, strict=True):
                kept[left[up]] = new[up]
            left, ways, slope, length = left[~up], ways[~up], slope[~up], length[~up] / 2
            if not len(left):
                break
    return f, g


def _semi_dual(cost: Tensor, a: Tensor, b: Tensor, f: Tensor, gamma: float) -> tuple[Tensor, Tensor, Tensor]:
    """The best duals of the columns for those of the rows, the dual value that they give, and the plan."""
    g = _best_columns(cost, b.log(), f, gamma)
    return g, _weighted(a, f) + _weighted(b, g), _plan(cost, f, g, gamma)


def _newton_ways(plan: Tensor, b: Tensor, weighted: Tensor, missing: Tensor, gamma: float) -> Tensor:
    """Steps of the rows' duals [b, m] that would bring the weights that are missing, to first order.

    A constant added to all duals of the rows changes nothing, and rows without weight have no dual: along both the
    curvature is 0, gets another value here, and the steps have nothing of either.
    """
    shares = torch.where(b > 0, 1 / b, 0)
    curvature = torch.diag_embed(plan.sum(2) + (1 - weighted) + TINY) - (plan * shares[:, None]) @ plan.mT
    curvature += weighted[:, :, None] * weighted[:, None] / weighted.sum(1)[:, None, None].square()
    return gamma * torch.linalg.solve(curvature, missing) * weighted


def _plan(cost: Tensor, f: Tensor, g: Tensor, gamma: float) -> Tensor:
    return ((f[:, :, None] + g[:, None] - cost) / gamma).exp()


def _weighted(weights: Tensor, duals: Tensor) -> Tensor:
    return torch.where(weights > 0, weights * duals, 0).sum(1)


def _divided(weights: Tensor, sums: Tensor) -> Tensor:
    """Scalings; 0 where there is no weight, whose sums are 0 as well."""
    return torch.where(weights > 0, weights / sums, 0)
