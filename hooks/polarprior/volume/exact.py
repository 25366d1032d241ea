"""The exact spectrum: all K tangents, and the eigenvalues of their Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from polarprior.volume.linear_map import LinearMap

ROWS_AT_ONCE = 8192


def resolution(dtype: torch.dtype) -> float:
    """Singular values below this share of sigma_1 are rounding noise of a Jacobian in `dtype`: they count as zero.

    Eight times its epsilon (in float32 1e-6; null directions of networks were measured at up to two), but no
    less than 1e-7, which is what squaring in float64 leaves.
    """
    return max(8 * torch.finfo(dtype).eps, 1e-7)


def exact(linear_map: LinearMap, k: int) -> Tensor:
    """log sigma_1 >= ... >= log sigma_k of every J, float64 [n, k] on the CPU.

    J is pushed through all K directions of the latent; sigma_i² are the eigenvalues of J'J (polarity
    paper, section 3.3), which is summed in float64, so that squaring costs no accuracy down to `resolution`.
    A singular value below that is -inf: the Jacobian's rank is less than k there. A Jacobian that holds NaN or
    infinity gives NaN.
    """
    n, input_dim = len(linear_map), linear_map.input_dim
    value = linear_map.value
    identity = torch.eye(input_dim, dtype=value.dtype, device=value.device)
    jacobian = linear_map.jvp(identity.expand(n, input_dim, input_dim))
    gram = _gram(jacobian)
    finite = gram.isfinite().flatten(1).all(1)
    eigenvalues = torch.linalg.eigvalsh(gram.where(finite[:, None, None], 0.0)).flip(-1)[:, :k]
    sigma = eigenvalues.clamp(min=0).sqrt()
    log_sigma = torch.where(sigma > resolution(value.dtype) * sigma[:, :1], sigma, 0.0).log()
    return log_sigma.where(finite[:, None], torch.nan).cpu()


def _gram(jacobian: Tensor) -> Tensor:
    """J'J in float64, [n, K, K], from J [n, D, K], a block of rows at a time."""
    n, _, input_dim = jacobian.shape
    total = jacobian.new_zeros(n, input_dim, input_dim, dtype=torch.float64)
    for block in jacobian.split(ROWS_AT_ONCE, dim=1):
        block = block.double()
        total += block.mT @ block
    return total
