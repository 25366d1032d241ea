"""JVPs along a calibrated subspace, and nothing else: the cheapest estimate."""

from __future__ import annotations

import torch

from polarprior.errors import UsageError
from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, log_top
from polarprior.volume.spectrum import Start, TopSingularValues

OVERSAMPLING = 18


def tangent_only_bfloat16(linear_map: LinearMap, k: int, start: Start, tolerance: float = 0.0) -> TopSingularValues:
    """`tangent_only` with its tangents in bfloat16, for processors that are faster at that.

    Values and slopes are those of the points in their own dtype, so that rounding changes a tangent by a relative
    2^-9 and no mask.

    Raises:
        UsageError: this Jacobian has no products in bfloat16.
    """
    return tangent_only(in_bfloat16(linear_map), k, start, tolerance)


def in_bfloat16(linear_map: LinearMap) -> LinearMap:
    """`linear_map` with its products taken in bfloat16; UsageError where it has none."""
    if linear_map.bfloat16 is None:
        raise UsageError(
            "estimator: got tangent-only-bfloat16, but these Jacobians have no products in bfloat16",
            "use estimator=tangent-only",
        )
    return linear_map.bfloat16()


def tangent_only(linear_map: LinearMap, k: int, start: Start, tolerance: float = 0.0) -> TopSingularValues:
    """Singular values of J V, V the k + 18 directions of `start`.

    Rayleigh-Ritz on a fixed right subspace (Halko, Martinsson, Tropp 2011, section 4.1, without the power
    iteration): each sigma_i(J V) is at most sigma_i(J). The shortfall is nearly the same for all latents, and a
    constant drops out of the weights; its size for a latent is not known, so the error is NaN. `tolerance` is
    not used.
    """
    v = start(min(k + OVERSAMPLING, linear_map.input_dim))
    return TopSingularValues(
        log_sigma=log_top(gram(linear_map.jvp(v)), k, linear_map.value.dtype),
        error=torch.full((len(linear_map),), torch.nan, dtype=torch.float64),
        passes=(v.shape[-1], 0),
    )
