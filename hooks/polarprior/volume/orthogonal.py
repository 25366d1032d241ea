"""Gram matrices and what they give: spectra and orthonormal columns, in float64 whatever the Jacobian's dtype."""

from __future__ import annotations

import torch
from torch import Tensor

ROWS_AT_ONCE = 8192


def gram(columns: Tensor) -> Tensor:
    """X'X in float64, [n, m, m], from X [n, D, m], a block of rows at a time."""
    n, _, m = columns.shape
    total = columns.new_zeros(n, m, m, dtype=torch.float64)
    for block in columns.split(ROWS_AT_ONCE, dim=1):
        block = block.double()
        total += block.mT @ block
    return total


def resolution(dtype: torch.dtype) -> float:
    """Singular values below this share of sigma_1 are rounding noise of a Jacobian in `dtype`: they count as zero.

    Eight times its epsilon (in float32 1e-6; null directions of networks were measured at up to two), but no
    less than 1e-7, which is what squaring in float64 leaves.
    """
    return max(8 * torch.finfo(dtype).eps, 1e-7)


def log_top(gram_matrix: Tensor, k: int, dtype: torch.dtype) -> Tensor:
    """log of the k largest singular values of X, float64 [n, k] on the CPU, from X'X [n, m, m] of an X in `dtype`.

    -inf below `resolution`; NaN where X holds NaN or infinity.
    """
    finite = gram_matrix.isfinite().flatten(1).all(1)
    eigenvalues = torch.linalg.eigvalsh(gram_matrix.where(finite[:, None, None], 0.0)).flip(-1)[:, :k]
    sigma = eigenvalues.clamp(min=0).sqrt()
    log_sigma = torch.where(sigma > resolution(dtype) * sigma[:, :1], sigma, 0.0).log()
    return log_sigma.where(finite[:, None], torch.nan).cpu()


def orthonormal(columns: Tensor) -> Tensor:
    """An orthonormal basis of the columns of X [n, D, m], in X's dtype; zero columns for what X's rank lacks.

    By the eigenvectors of X'X. They are the left singular vectors of X.
    """
    matrix = gram(columns)
    finite = matrix.isfinite().flatten(1).all(1)
    eigenvalues, vectors = torch.linalg.eigh(matrix.where(finite[:, None, None], 0.0))
    kept = eigenvalues > resolution(columns.dtype) ** 2 * eigenvalues[:, -1:]
    scale = torch.where(kept, eigenvalues, 1.0).rsqrt() * kept
    return columns @ (vectors * scale[:, None, :]).to(columns.dtype)
