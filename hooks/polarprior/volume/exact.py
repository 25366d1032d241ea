"""The exact spectrum: all K tangents, and the eigenvalues of their Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, log_top
from polarprior.volume.spectrum import Start, TopSingularValues


def exact(linear_map: LinearMap, k: int, start: Start | None = None, tolerance: float = 0.0) -> TopSingularValues:
    """Push J through all K directions of the latent; sigma_i² are the eigenvalues of J'J.

    Source: polarity paper, section 3.3 and Algorithm 1. `start` and `tolerance` are not used. Exact to rounding.
    """
    return TopSingularValues(
        log_sigma=log_top(full_gram(linear_map), k, linear_map.value.dtype),
        error=torch.zeros(len(linear_map), dtype=torch.float64),
        passes=(linear_map.input_dim, 0),
    )


def full_gram(linear_map: LinearMap) -> Tensor:
    """J'J of every J, float64 [n, K, K], at K JVPs each."""
    n, input_dim, value = len(linear_map), linear_map.input_dim, linear_map.value
    identity = torch.eye(input_dim, dtype=value.dtype, device=value.device)
    return gram(linear_map.jvp(identity.expand(n, input_dim, input_dim)))
