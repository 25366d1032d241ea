"""Precision, recall, density and coverage: balls around samples stand for the manifold they come from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.metrics.features import check_features, distances

NEIGHBOURS = 3
"""What the papers and the stock repositories take for precision and recall."""


class Fidelity(NamedTuple):
    """What `fidelity` returns.

    Attributes:
        precision: share of generated samples inside a real one's ball: quality.
        recall: share of real samples inside a generated one's ball: diversity.
        density: real balls that a generated sample is in, divided by `neighbours`; may exceed 1.
        coverage: share of real balls that hold a generated sample.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def fidelity(real: Tensor, generated: Tensor, neighbours: int = NEIGHBOURS) -> Fidelity:
    """Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1 and 2), and density and coverage (Naeem et al.
    2020, eq. 3 and 6).

    The ball of a sample ends at its `neighbours`-th nearest of the same set, itself not counted. All of them depend
    on n, m and `neighbours`: compare equal ones. Repeated samples have empty balls, so draws with replacement lose
    recall by their repetitions alone.

    Args:
        real: features [n, D].
        generated: features [m, D].
        neighbours: 1 to min(n, m) - 1.

    Raises:
        UsageError: features that aren't finite floats of one width, or too few of them.
    """
    if neighbours < 1:
        raise UsageError(f"neighbours: got {neighbours}, expected 1 or more", f"use {NEIGHBOURS}")
    check_features(real, generated, neighbours + 1)
    # A common shift changes no distance, and keeps the rounding of squares small.
    shift = real.mean(0)
    real, generated = real - shift, generated - shift
    real_radii, generated_radii = _radii(real, neighbours), _radii(generated, neighbours)
    inside_real = torch.zeros(len(generated), dtype=torch.float64, device=generated.device)
    # Results have their place beforehand: small ones between large blocks would keep the heap from being used again.
    inside_generated, covered = (torch.empty(len(real), dtype=torch.bool, device=real.device) for _ in range(2))
    for rows, apart in distances(real, generated):
        inside_generated[rows] = (apart <= generated_radii).any(1)
        within = apart.le_(real_radii[rows, None])  # ones and zeros in place: a sum of booleans would be a copy
        inside_real += within.sum(0)
        covered[rows] = within.amax(1) > 0
    return Fidelity(
        precision=float((inside_real > 0).double().mean()),
        recall=float(inside_generated.double().mean()),
        density=float(inside_real.mean() / neighbours),
        coverage=float(covered.double().mean()),
    )


def _radii(features: Tensor, neighbours: int) -> Tensor:
    """Squared distance of each row to its `neighbours`-th nearest other row, [n]."""
    radii = torch.empty(len(features), dtype=torch.float64, device=features.device)
    for rows, apart in distances(features, features):
        apart[:, rows].fill_diagonal_(torch.inf)
        radii[rows] = apart.topk(neighbours, largest=False).values[:, -1]
    return radii
