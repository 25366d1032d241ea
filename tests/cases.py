"""Matrices of known spectrum: every estimator runs on every one."""

from __future__ import annotations

import torch
from torch import Tensor

K, D = 24, 60
SPECTRA = {
    "fast decay": [10.0 * 0.6**i for i in range(K)],
    "flat": [3.0] * K,
    "clusters": [8.0] * 6 + [2.0] * 6 + [1.999] * 6 + [0.1] * 6,
    "rank-deficient": [float(K - i) for i in range(10)] + [0.0] * (K - 10),
    "tiny": [1e-4 * (K - i) for i in range(K)],
    "zero": [0.0] * K,
}


def matrix(name: str, rows: int = D) -> Tensor:
    """[rows, K], float64, with the singular values of SPECTRA[name] (the first `rows` where rows < K)."""
    stream = torch.Generator().manual_seed(len(name))
    rank = min(rows, K)
    u = torch.linalg.qr(torch.randn(rows, rank, generator=stream, dtype=torch.float64))[0]
    v = torch.linalg.qr(torch.randn(K, rank, generator=stream, dtype=torch.float64))[0]
    return u * torch.tensor(SPECTRA[name][:rank], dtype=torch.float64) @ v.T
