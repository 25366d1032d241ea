"""The exact spectrum: all K tangents, and the eigenvalues of their Gram matrix."""

from __future__ import annotations

import torch
from torch import Tensor

from polarprior.volume.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, log_top
from polarprior.volume.spectrum import TopSingularValues


def exact(linear_map: LinearMap, k: int, start: Tensor | None = None) -> TopSingularValues:
    """Push J through all K directions of the latent; sigma_i² are the eigenvalues of J'J.

    Source: polarity paper, section 3.3 and Algorithm 1. `start` is not used. Exact to rounding.
    """
    n, input_dim = len(linear_map), linear_map.input_dim
    value = linear_map.value
    identity = torch.eye(input_dim, dtype=value.dtype, device=value.device)
    jacobian = linear_map.jvp(identity.expand(n, input_dim, input_dim))
    return TopSingularValues(
        log_sigma=log_top(gram(jacobian), k, value.dtype),
        error=torch.zeros(n, dtype=torch.float64),
        passes=(input_dim, 0),
    )
