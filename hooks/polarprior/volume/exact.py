"""The exact spectrum: all K tangents, or all D cotangents, and the eigenvalues of their Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, log_top
from polarprior.volume.spectrum import Start, TopSingularValues


def exact(linear_map: LinearMap, k: int, start: Start | None = None, tolerance: float = 0.0) -> TopSingularValues:
    """Push J through all K directions of the latent, or pull all D of the features back where these are fewer;
    sigma_i² are the eigenvalues of J'J, or of JJ'.

    Source: polarity paper, section 3.3 and Algorithm 1. `start` and `tolerance` are not used. Exact to rounding.
    """
    inputs, outputs = linear_map.input_dim, linear_map.output_dim
    if outputs < inputs:
        products, passes = gram(linear_map.vjp(_identity(linear_map, outputs))), (0, outputs)
    else:
        products, passes = full_gram(linear_map), (inputs, 0)
    error = torch.zeros(len(linear_map), dtype=torch.float64)
    return TopSingularValues(log_top(products, k, linear_map.value.dtype), error, passes)


def full_gram(linear_map: LinearMap) -> Tensor:
    """J'J of every J, float64 [n, K, K], at K JVPs each."""
    return gram(linear_map.jvp(_identity(linear_map, linear_map.input_dim)))


def _identity(linear_map: LinearMap, size: int) -> Tensor:
    value = linear_map.value
    return torch.eye(size, dtype=value.dtype, device=value.device).expand(len(linear_map), size, size)
