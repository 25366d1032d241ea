"""Where a style-based generator's Jacobian stretches most: what its mapping network alone can tell."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from polarprior.jacobian.linear_map import LinearMap

ITERATIONS = 3


def mapping_start(mapping: LinearMap) -> Callable[[int], Tensor]:
    """A `LinearMap.start` from the Jacobian dw/dz [n, W, K] of the mapping network at the same latents.

    J = dx/dw dw/dz maps the directions that dw/dz shrinks to little, whatever dx/dw does:
    |J (I - V V')| <= |dx/dw| sigma_m+1(dw/dz), V the top m right-singular vectors of dw/dz. They are found by a few
    subspace iterations, which need not converge: any V will do, and a good one is more accurate.
    """

    def start(m: int) -> Tensor:
        n, input_dim = len(mapping), mapping.input_dim
        identity = torch.eye(input_dim).to(mapping.value).expand(n, -1, -1)
        columns = mapping.jvp(identity)
        squares = columns.mT @ columns
        stream = torch.Generator().manual_seed(0)
        v = torch.randn(input_dim, m, generator=stream).to(mapping.value).expand(n, -1, -1)
        for _ in range(ITERATIONS):
            v = torch.linalg.qr(squares @ v)[0]
        return v

    return start
