"""As many JVPs as VJPs, in two blocks, from a random start: for a few latents that nothing can be calibrated for."""

from __future__ import annotations

import torch

from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, log_top, orthonormal
from polarprior.volume.spectrum import Start, TopSingularValues
from polarprior.volume.tangent_only import OVERSAMPLING


def sketch(linear_map: LinearMap, k: int, start: Start, tolerance: float = 0.0) -> TopSingularValues:
    """Singular values of J' Q, Q an orthonormal basis of J V, V the k + 18 directions of `start`.

    The randomized range finder with its second pass (Halko, Martinsson, Tropp 2011, algorithm 5.1, without the power
    iteration): each is at most sigma_i(J). As with `tangent_only` the shortfall is nearly the same for all latents of
    a model, which drops out of the weights; its size for a latent is not known, so the error is NaN. `tolerance` is
    not used.
    """
    v = start(min(k + OVERSAMPLING, linear_map.input_dim, linear_map.output_dim))
    columns = linear_map.vjp(orthonormal(linear_map.jvp(v)))
    return TopSingularValues(
        log_sigma=log_top(gram(columns), k, linear_map.value.dtype),
        error=torch.full((len(linear_map),), torch.nan, dtype=torch.float64),
        passes=(v.shape[-1], v.shape[-1]),
    )
