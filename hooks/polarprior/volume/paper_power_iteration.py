"""The paper's first way, which it found too expensive: block power iterations."""

from __future__ import annotations

import torch

from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, log_top, orthonormal
from polarprior.volume.spectrum import Start, TopSingularValues

ITERATIONS = 10


def paper_power_iteration(
    linear_map: LinearMap, k: int, start: Start | None = None, tolerance: float = 0.0
) -> TopSingularValues:
    """k right vectors through J and J' in turn, orthonormalised each time, 10 times (supplement A.4, first way).

    `start` and `tolerance` are not used: the first vectors are random, from a fixed seed. Converges like
    (sigma_k+1 / sigma_k)^20, slowly where the spectrum is flat at k. The error is the change over the last
    iteration, in nats.
    """
    value, n = linear_map.value, len(linear_map)
    stream = torch.Generator().manual_seed(0)
    random = torch.randn(linear_map.input_dim, k, generator=stream, dtype=torch.float64)
    v = torch.linalg.qr(random)[0].to(value).expand(n, -1, -1)
    log_sigma = torch.full((n, k), -torch.inf, dtype=torch.float64)
    change = torch.full((n,), torch.inf, dtype=torch.float64)
    for _ in range(ITERATIONS):
        pulled = linear_map.vjp(orthonormal(linear_map.jvp(v)))
        last, log_sigma = log_sigma, log_top(gram(pulled), k, value.dtype)
        change = (log_sigma.sum(1) - last.sum(1)).abs().nan_to_num(nan=0.0)
        v = orthonormal(pulled)
    return TopSingularValues(log_sigma, change, (ITERATIONS * k, ITERATIONS * k))
