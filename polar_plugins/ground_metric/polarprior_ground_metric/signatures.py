"""Signatures: weighted sets of points, of any size each, side by side in two tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from polarprior.plugin import UsageError
from torch import Tensor

OF = "make them by Signatures.of"
SUMS = 1e-4
"""How far from 1 weights may sum."""
Set = Any
"""Points [m, d], or (points [m, d], weights [m])."""


@dataclass(frozen=True, eq=False)
class Signatures:
    """n weighted sets of points: P = {(p_1, w_1), ..., (p_m, w_m)} of the paper's section 2.1.

    Attributes:
        points: float32 or float64 [n, m, d], m that of the largest set; where a set is shorter, zeros.
        weights: [n, m], each row sums to 1; 0 where a set is shorter.
    """

    points: Tensor
    weights: Tensor

    @classmethod
    def of(cls, sets: Signatures | Sequence[Set] | np.ndarray | Tensor) -> Signatures:
        """Make signatures of sets of points: an array or a pair with weights for each set, or one array [n, m, d].

        Where no weights are given, all points of a set weigh the same. Points of no weight are left out.

        Raises:
            UsageError: a set without points, weights that are negative, or numbers that don't belong together.
        """
        if isinstance(sets, Signatures):
            sets._check()
            return sets
        sized = isinstance(sets, Sequence | np.ndarray | Tensor) and not isinstance(sets, str)
        if not sized or not len(sets):
            what = "none" if sized else type(sets).__name__
            raise UsageError(f"signatures: got {what}, expected one at least", "give a list of arrays [m, d]")
        pairs = [_pair(each, index) for index, each in enumerate(sets)]
        dims = sorted({points.shape[1] for points, _ in pairs})
        if len(dims) > 1:
            raise UsageError(f"signatures: points of {dims} numbers", "give all sets in one space")
        longest = max(len(points) for points, _ in pairs)
        points = pairs[0][0].new_zeros(len(pairs), longest, dims[0])
        weights = points.new_zeros(len(pairs), longest)
        for row, (of_row, shares) in enumerate(pairs):
            points[row, : len(of_row)], weights[row, : len(of_row)] = of_row, shares
        return cls(points, weights)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, rows: Any) -> Signatures:
        """Some of them, or one."""
        if isinstance(rows, int | np.integer):
            rows = [rows]
        return Signatures(self.points[rows], self.weights[rows])

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, m, d]; scikit-learn splits what has one by arrays of rows."""
        return tuple(self.points.shape)

    def _check(self) -> None:
        """UsageError where these were not made by `of`, and can't have been."""
        shapes = [list(each.shape) for each in (self.points, self.weights)]
        if self.points.ndim != 3 or shapes[1] != shapes[0][:2] or not all(shapes[0]):
            raise UsageError(f"signatures: points {shapes[0]}, weights {shapes[1]}, expected [n, m, d], [n, m]", OF)
        finite = bool(self.points.isfinite().all()) and bool(self.weights.isfinite().all())
        if not finite or bool((self.weights < 0).any()):
            raise UsageError("signatures: numbers that are not finite, or negative weights", OF)
        if float((self.weights.sum(1) - 1).abs().max()) > SUMS:
            raise UsageError("signatures: weights that don't sum to 1", OF)

    @property
    def dim(self) -> int:
        """d."""
        return self.points.shape[2]

    def to(self, like: Tensor | torch.device) -> Signatures:
        """The same on a device, or on that of a tensor and with its dtype."""
        return Signatures(self.points.to(like), self.weights.to(like))

    def means(self) -> Tensor:
        """The mean point of each, [n, d]."""
        return torch.bmm(self.weights[:, None], self.points)[:, 0]

    def mapped(self, linear: Tensor) -> Signatures:
        """With `linear` [r, d] applied to each point."""
        return Signatures(self.points @ linear.T, self.weights)


def _pair(each: Set, index: int) -> tuple[Tensor, Tensor]:
    given, shares = each if isinstance(each, tuple) else (each, None)
    try:
        points = torch.as_tensor(np.asarray(given)) if not isinstance(given, Tensor) else given
        points = points if points.dtype == torch.float64 else points.float()
        weights = points.new_ones(points.shape[:1]) if shares is None else torch.as_tensor(shares).to(points.dtype)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"signature {index}: no array of numbers [m, d]", "give (points, weights)") from error
    if points.ndim != 2 or weights.shape != points.shape[:1]:
        raise UsageError(
            f"signature {index}: points {list(points.shape)}, weights {list(weights.shape)}, expected [m, d], [m]",
            "give (points, weights)",
        )
    if not (bool(points.isfinite().all()) and bool(weights.isfinite().all()) and bool((weights >= 0).all())):
        raise UsageError(f"signature {index}: numbers that are not finite, or negative weights", "look at that one")
    weights = weights / weights.max().clamp(min=torch.finfo(weights.dtype).tiny) if len(weights) else weights
    kept = weights > 0
    if not bool(kept.any()):
        raise UsageError(f"signature {index}: has no points with weight", "leave it out")
    return points[kept], weights[kept] / weights[kept].sum()
