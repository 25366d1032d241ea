"""Gram matrices and what they give: spectra and orthonormal columns, in float64 whatever the Jacobian's dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from polarprior.devices import in_float64

ROWS_AT_ONCE = 8192


def gram(columns: Tensor) -> Tensor:
    """X'X in float64, [n, m, m], from X [n, D, m]."""
    return cross(columns, columns)


def cross(left: Tensor, right: Tensor) -> Tensor:
    """X'Y in float64, [n, p, q], from X [n, D, p] and Y [n, D, q], a block of rows at a time."""
    total = in_float64(left.new_zeros(len(left), left.shape[-1], right.shape[-1]))
    for rows in range(0, left.shape[1], ROWS_AT_ONCE):
        x = in_float64(left[:, rows : rows + ROWS_AT_ONCE])
        y = x if left is right else in_float64(right[:, rows : rows + ROWS_AT_ONCE])
        total += x.mT @ y
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

    They are the left singular vectors of X, the largest singular value's first.
    """
    sigma, vectors = small_svd(columns)
    return columns @ (vectors * inverse(sigma)[:, None, :]).to(columns)


def small_svd(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values, descending, [n, m] and right singular vectors [n, m, m] of X [n, D, m], in float64.

    By the eigenvectors of X'X; values below `resolution` are 0. Zero where X holds NaN or infinity.
    """
    matrix = gram(columns)
    finite = matrix.isfinite().flatten(1).all(1)
    eigenvalues, vectors = torch.linalg.eigh(matrix.where(finite[:, None, None], 0.0))
    sigma = eigenvalues.clamp(min=0).sqrt().flip(-1)
    return sigma.where(sigma > resolution(columns.dtype) * sigma[:, :1], 0.0), vectors.flip(-1)


def inverse(sigma: Tensor) -> Tensor:
    """1 / sigma, and 0 for 0."""
    return torch.where(sigma > 0, sigma, torch.inf).reciprocal()
