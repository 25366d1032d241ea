"""The nearest real images of generated ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.metrics.features import check_features, distances


class Nearest(NamedTuple):
    """What `nearest` returns: distances float64 [n, m], rising, and the rows int64 [n, m] of the real images."""

    distances: Tensor
    rows: Tensor


def nearest(real: Tensor, generated: Tensor, count: int = 3) -> Nearest:
    """The `count` nearest real rows of each generated row, as in the polarity paper's Fig. 6.

    Args:
        real: features or pixels [m, D].
        generated: [n, D].
        count: 1 to m.

    Raises:
        UsageError: features that aren't finite floats of one width, or `count` out of range.
    """
    check_features(real, generated, 1)
    if not 1 <= count <= len(real):
        raise UsageError(f"count: got {count}, expected 1 to {len(real)}, the real images", "ask for fewer")
    shift = real.mean(0)
    real, generated = real - shift, generated - shift
    near = torch.empty(len(generated), count, dtype=torch.float64, device=generated.device)
    which = torch.empty(len(generated), count, dtype=torch.int64, device=generated.device)
    for rows, apart in distances(generated, real):
        near[rows], which[rows] = apart.topk(count, largest=False)
    return Nearest(near.sqrt(), which)
