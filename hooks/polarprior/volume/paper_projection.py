"""The paper's own estimate: a fixed random projection of the output. The baseline."""

from __future__ import annotations

import torch
from torch import Tensor

from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, log_top
from polarprior.volume.spectrum import Start, TopSingularValues

ROWS = 128


def paper_projection(
    linear_map: LinearMap, k: int, start: Start | None = None, tolerance: float = 0.0
) -> TopSingularValues:
    """Singular values of W J, W a fixed semi-orthogonal matrix of 128 rows (supplement A.4, second way).

    `start` and `tolerance` are not used. W is drawn from a fixed seed, the same for all latents. Every value is too
    small, by tens of nats in the log-volume, nearly the same for all latents. The error is not known: NaN.
    """
    value, n = linear_map.value, len(linear_map)
    w = projection(linear_map.output_dim, value.dtype).to(value.device)
    rows = linear_map.vjp(w.expand(n, -1, -1))
    return TopSingularValues(
        log_sigma=log_top(gram(rows), k, value.dtype),
        error=torch.full((n,), torch.nan, dtype=torch.float64),
        passes=(0, w.shape[-1]),
    )


def projection(output_dim: int, dtype: torch.dtype) -> Tensor:
    """W', [D, min(128, D)]: orthonormal columns, the same each time."""
    stream = torch.Generator().manual_seed(0)
    gaussian = torch.randn(output_dim, min(ROWS, output_dim), generator=stream, dtype=torch.float64)
    return torch.linalg.qr(gaussian)[0].to(dtype)
