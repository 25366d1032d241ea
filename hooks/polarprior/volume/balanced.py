"""A sweep of JVPs, and VJPs for the singular values that those leave least certain."""

from __future__ import annotations

import torch

from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, inverse, log_top, small_svd
from polarprior.volume.spectrum import Start, TopSingularValues
from polarprior.volume.tangent_only import OVERSAMPLING

CERTAIN = 5
"""The first k / 5 singular values are taken as the subspace has them."""


def balanced(linear_map: LinearMap, k: int, start: Start, tolerance: float = 0.0) -> TopSingularValues:
    """Singular values of P J, where J V is known from k + 18 JVPs and U' J from 4/5 k VJPs.

    With J V = U S W' (Halko, Martinsson, Tropp 2011, Algorithm 4.1, V a subspace that fits rather than a random
    one), row i of U' J is known outside V only after a VJP (their Algorithm 5.1). The largest singular values lie
    in V anyway, and those beyond k are not asked for: only the rows between are pulled back, and the others are kept
    as S W' V' has them. No value is above sigma_i(J), none below sigma_i(J V). The error for a latent is not known:
    NaN. `tolerance` is not used.
    """
    v = start(min(k + OVERSAMPLING, linear_map.input_dim))
    columns = linear_map.jvp(v)
    sigma, w = small_svd(columns)
    uncertain = slice(k // CERTAIN, k)
    left = columns @ (w[..., uncertain] * inverse(sigma[:, None, uncertain])).to(columns.dtype)
    rows = v @ (w * sigma[:, None, :]).to(v.dtype)
    rows[..., uncertain] = linear_map.vjp(left)
    return TopSingularValues(
        log_sigma=log_top(gram(rows), k, columns.dtype),
        error=torch.full((len(linear_map),), torch.nan, dtype=torch.float64),
        passes=(v.shape[-1], left.shape[-1]),
    )
