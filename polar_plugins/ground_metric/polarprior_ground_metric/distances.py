"""Smoothed Wasserstein distances between signatures under Mahalanobis ground distances, thousands at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar

import torch
from polarprior.plugin import Transport, entropic_transport, warn
from torch import Tensor

from polarprior_ground_metric.signatures import Signatures

AT_ONCE = 1 << 21
"""Numbers in the costs of the problems that are solved together: what stays in the caches of a processor."""
TOLERANCE = 1e-3
"""How exactly `entropic_transport` is solved where distances are compared."""


class Tally:
    """Count the problems of all calls of `solve` within, and warn at the end where some miss their tolerance.

    One inside of another counts nothing: the outer one does.

    Attributes:
        problems: that were given.
        missed: those of them that were not solved to their tolerance.
    """

    problems, missed = 0, 0

    def __enter__(self) -> Tally:
        self._token = None if _TALLY.get() else _TALLY.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token:
            _TALLY.reset(self._token)
        if self.missed:
            warn(
                f"transport: {self.missed} of {self.problems} problems could not be solved to their tolerance, and "
                "their distances are less exact; a larger smoothing makes them easier"
            )


_TALLY: ContextVar[Tally | None] = ContextVar("tally", default=None)


def ground_costs(p: Signatures, q: Signatures) -> Tensor:
    """Squared Euclidean distances between the points of p_i and those of q_i: [b, m, n], eq. 8 for M = I."""
    squares = p.points.square().sum(2)[:, :, None] + q.points.square().sum(2)[:, None]
    return torch.baddbmm(squares, p.points, q.points.mT, alpha=-2).clamp_(min=0)


def solve(
    p: Signatures,
    q: Signatures,
    gamma: float,
    columns: Tensor | None = None,
    tolerance: float = TOLERANCE,
) -> Transport:
    """W, eq. 11, between p_i and q_i, as many of one as of the other, where the ground distance is Euclidean.

    Args:
        p, q: the pairs.
        gamma: weight of the entropy.
        columns: dual variables to start from, such as those of a metric a step ago.
        tolerance: see `entropic_transport`.
    """
    parts = []
    for rows in _parts(len(p), p.points.shape[1] * q.points.shape[1]):
        start = None if columns is None else columns[rows]
        cost = ground_costs(p[rows], q[rows])
        parts.append(
            entropic_transport(cost, p.weights[rows], q.weights[rows], gamma, columns=start, tolerance=tolerance)
        )
    found = Transport(*(torch.cat(each) for each in zip(*parts, strict=True)))
    if tally := _TALLY.get():
        tally.problems += len(found.converged)
        tally.missed += int((~found.converged).sum())
    return found


def all_pairs(p: Signatures, q: Signatures, gamma: float, tolerance: float = TOLERANCE) -> Tensor:
    """W between each of p and each of q: [len(p), len(q)]; see `solve`. Where q is p, each pair is solved once."""
    if q is p:
        left, right = torch.triu_indices(len(p), len(p), device=p.points.device)
    else:
        left = torch.arange(len(p), device=p.points.device).repeat_interleave(len(q))
        right = torch.arange(len(q), device=p.points.device).repeat(len(p))
    values = p.points.new_empty(len(p), len(q))
    for rows in _parts(len(left), p.points.shape[1] * q.points.shape[1]):
        i, j = left[rows], right[rows]
        values[i, j] = solve(p[i], q[j], gamma, tolerance=tolerance).value
    return values.triu() + values.triu(1).T if q is p else values


def debiased(p: Signatures, q: Signatures, gamma: float, tolerance: float = 1e-6) -> Tensor:
    """W(P, Q) - W(P, P) / 2 - W(Q, Q) / 2 of each pair: 0 between a signature and itself, and never below."""
    with Tally():
        values = [solve(*pair, gamma, tolerance=tolerance).value for pair in ((p, q), (p, p), (q, q))]
    return values[0] - (values[1] + values[2]) / 2


def moments(p: Signatures, q: Signatures, plan: Tensor, shares: Tensor) -> Tensor:
    """sum over pairs of share times G = sum_ij F_ij (p_i - q_j)(p_i - q_j)': [d, d], G of eq. 15.

    G is the gradient of W in M, entropy and all, since the plan is the only one that is best (Danskin).

    Args:
        p, q: b pairs.
        plan: F of each.
        shares: [b].
    """
    weighted = shares[:, None, None] * plan
    moved = torch.bmm(weighted, q.points)
    of_p = (weighted.sum(2)[:, :, None] * p.points - moved).flatten(0, 1)
    of_q = (weighted.sum(1)[:, :, None] * q.points).flatten(0, 1)
    cross = p.points.flatten(0, 1).T @ moved.flatten(0, 1)
    return p.points.flatten(0, 1).T @ of_p + q.points.flatten(0, 1).T @ of_q - cross.T


def _parts(count: int, numbers: int) -> Iterator[slice]:
    step = max(1, AT_ONCE // numbers)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
