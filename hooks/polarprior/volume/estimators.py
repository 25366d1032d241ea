"""All estimators by name, and the one function that calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.balanced import balanced
from polarprior.volume.block_lanczos import block_lanczos
from polarprior.volume.exact import exact
from polarprior.volume.paper_power_iteration import paper_power_iteration
from polarprior.volume.paper_projection import paper_projection
from polarprior.volume.spectrum import TopSingularValues, check_k
from polarprior.volume.tangent_only import tangent_only

if TYPE_CHECKING:
    from polarprior.volume.calibration import Calibration

Estimator = Callable[[LinearMap, int, Tensor], TopSingularValues]
ESTIMATORS: dict[str, Estimator] = {
    "exact": exact,
    "balanced": balanced,
    "block-lanczos": block_lanczos,
    "tangent-only": tangent_only,
    "paper-projection": paper_projection,
    "paper-power-iteration": paper_power_iteration,
}


def top_singular_values(
    linear_map: LinearMap, k: int, *, calibration: Calibration | None = None, estimator: str = "exact"
) -> TopSingularValues:
    """The k largest singular values of each J.

    Args:
        linear_map: n Jacobians from R^K to R^D.
        k: how many, 1 <= k <= min(K, D).
        calibration: from `calibrate`; its average subspace is where the estimators start. A fixed random one
            where None, which ``tangent-only`` refuses.
        estimator: ``exact`` (K JVPs), ``balanced``, ``block-lanczos``, ``tangent-only``, or the paper's two,
            ``paper-projection`` and ``paper-power-iteration``.

    Raises:
        UsageError: k out of range, no such estimator, or ``tangent-only`` without a calibration.

    >>> j = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    >>> spectrum = top_singular_values(LinearMap.of(lambda z: z @ j, torch.zeros(1, 3)), k=2)
    >>> spectrum.log_sigma.exp().round(decimals=4).tolist()
    [[3.0, 2.0]]
    """
    check_k(k, min(linear_map.input_dim, linear_map.output_dim))
    if estimator not in ESTIMATORS:
        raise UsageError(f"estimator: got {estimator!r}, expected one of {', '.join(ESTIMATORS)}", "use exact")
    if calibration is None and estimator == "tangent-only":
        raise UsageError(
            "estimator: tangent-only needs a calibration, got none", "calibration=pp.calibrate(generator)"
        )
    if calibration is None:
        stream = torch.Generator().manual_seed(0)
        gaussian = torch.randn(linear_map.input_dim, linear_map.input_dim, generator=stream, dtype=torch.float64)
        start = torch.linalg.qr(gaussian)[0]
    else:
        start = calibration.subspace
    return ESTIMATORS[estimator](linear_map, k, start.to(linear_map.value))
