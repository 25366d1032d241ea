"""Signatures: weighted sets of points, of any size each, side by side in two tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from polarprior.errors import UsageError
from torch import Tensor

Set = Any
"""Points [m, d], or (points [m, d], weights [m])."""


@dataclass(frozen=True, eq=False)
class Signatures:
    """n weighted sets of points: P = {(p_1, w_1), ..., (p_m, w_m)} of the seed's section 2.1.

    Attributes:
        points: float32 or float64 [n, m, d], m that of the largest set; where a set is shorter, zeros.
        weights: [n, m], each row sums to 1; 0 where a set is shorter.
    """

    points: Tensor
    weights: Tensor

    @classmethod
    def of(cls, sets: Signatures | Sequence[Set] | np.ndarray | Tensor) -> Signatures:
        """Of sets of points, an array each or a pair with weights, or of one array [n, m, d] with equal weights.

        Points of no weight are left out.

        Raises:
            UsageError: a set without points, weights that are negative, or numbers that don't belong together.
        """
        if isinstance(sets, Signatures):
            return sets
        pairs = [_pair(each, index) for index, each in enumerate(sets)]
        if not pairs:
            raise UsageError("signatures: got none, expected one at least", "give a list of arrays [m, d]")
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
        """Some of them."""
        return Signatures(self.points[rows], self.weights[rows])

    @property
    def dim(self) -> int:
        """d."""
        return self.points.shape[2]

    def means(self) -> Tensor:
        """The mean point of each, [n, d]."""
        return torch.bmm(self.weights[:, None], self.points)[:, 0]

    def mapped(self, linear: Tensor) -> Signatures:
        """With `linear` [r, d] applied to each point."""
        return Signatures(self.points @ linear.T, self.weights)


def _pair(each: Set, index: int) -> tuple[Tensor, Tensor]:
    given, shares = each if isinstance(each, tuple) else (each, None)
    points = torch.as_tensor(np.asarray(given)) if not isinstance(given, Tensor) else given
    points = points if points.dtype == torch.float64 else points.float()
    weights = points.new_ones(len(points)) if shares is None else torch.as_tensor(shares).to(points.dtype)
    if points.ndim != 2 or weights.shape != points.shape[:1]:
        raise UsageError(
            f"signature {index}: points {list(points.shape)}, weights {list(weights.shape)}, expected [m, d], [m]",
            "give (points, weights)",
        )
    if not (bool(points.isfinite().all()) and bool(weights.isfinite().all()) and bool((weights >= 0).all())):
        raise UsageError(f"signature {index}: numbers that are not finite, or negative weights", "look at that one")
    kept = weights > 0
    if not bool(kept.any()):
        raise UsageError(f"signature {index}: has no points with weight", "leave it out")
    return points[kept], weights[kept] / weights[kept].sum()
