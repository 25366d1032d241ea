"""All estimators by name, and the one function that calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from polarprior.arguments import K, checked, instance, number, text
from polarprior.errors import UsageError
from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.audit import AUDITED
from polarprior.volume.balanced import balanced
from polarprior.volume.block_lanczos import block_lanczos
from polarprior.volume.calibration import Calibration
from polarprior.volume.exact import exact
from polarprior.volume.paper_power_iteration import paper_power_iteration
from polarprior.volume.paper_projection import paper_projection
from polarprior.volume.sketch import sketch
from polarprior.volume.spectrum import Start, TopSingularValues, check_k
from polarprior.volume.tangent_only import tangent_only, tangent_only_bfloat16

Estimator = Callable[[LinearMap, int, Start, float], TopSingularValues]
ESTIMATORS: dict[str, Estimator] = {
    "exact": exact,
    "balanced": balanced,
    "block-lanczos": block_lanczos,
    "tangent-only": tangent_only,
    "tangent-only-bfloat16": tangent_only_bfloat16,
    "sketch": sketch,
    "paper-projection": paper_projection,
    "paper-power-iteration": paper_power_iteration,
}
AUTO = "auto"
TOLERANCE = 0.05
"""Nats of log-volume: an error that changes polarity weights by a hundredth of their ratio at rho 0.2."""
MOST_AT_ONCE = 4096
"""Latents of more numbers have no whole basis of random directions: it would take minutes and gigabytes."""
WITHIN_A_CHANGE = 4
"""The last change of an iteration is asked to be this many times below the tolerance of its result."""


@checked(
    linear_map=instance("polarprior.jacobian.linear_map:LinearMap", "use jacobian_fn(latents)"),
    k=K,
    estimator=text("use estimator='exact'"),
    calibration=instance("polarprior.volume.calibration:Calibration", "use pp.calibrate(generator)").or_none(),
    tol=number(above=0, use="use such as tol=0.05"),
    epsilon=number(least=0),
)
def top_singular_values(
    linear_map: LinearMap,
    k: int,
    *,
    estimator: str = "exact",
    calibration: Calibration | None = None,
    tol: float = TOLERANCE,
    epsilon: float = 0.0,
) -> TopSingularValues:
    """The k largest singular values of each J.

    Args:
        linear_map: n Jacobians from R^K to R^D.
        k: how many, 1 <= k <= min(K, D).
        estimator: ``exact`` (K JVPs), ``balanced``, ``block-lanczos``, ``tangent-only``,
            ``tangent-only-bfloat16``, ``sketch``, the paper's two, ``paper-projection`` and
            ``paper-power-iteration``, or ``auto``: what the calibration found to be the cheapest within `tol`.
        calibration: from `calibrate`. The estimators start from ``linear_map.start`` where it has one, else from the
            calibration's average subspace, else from a fixed random one, which ``tangent-only`` and its like refuse.
        tol: largest error of a log-volume that is accepted, nats. ``block-lanczos`` goes on until it is met;
            ``auto`` chooses by it.
        epsilon: of the log-volume, sum log(sigma_i + epsilon).

    Raises:
        UsageError: k, tol or epsilon out of range, no such estimator, or one that needs a calibration without it.

    >>> j = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    >>> spectrum = top_singular_values(LinearMap.of(lambda z: z @ j, torch.zeros(1, 3)), k=2)
    >>> spectrum.log_sigma.exp().round(decimals=4).tolist()
    [[3.0, 2.0]]
    """
    check_k(k, min(linear_map.input_dim, linear_map.output_dim))
    check_estimator(estimator, tol)
    lost = estimator.startswith("tangent-only") and linear_map.start is None
    if calibration is None and (estimator == AUTO or lost):
        raise UsageError(
            f"estimator: {estimator} needs a calibration, got none", "add calibration=pp.calibrate(generator)"
        )
    if estimator == AUTO and calibration is not None:
        estimator = calibration.cheapest(tol)
    start = start_of(linear_map, calibration)
    return replace(ESTIMATORS[estimator](linear_map, k, start, tol / WITHIN_A_CHANGE), epsilon=epsilon)


def default_estimator(input_dim: int, k: int, n: int) -> str:
    """``exact`` where K <= 1.5 k + 60, or where the audit would solve all n rows exactly anyway, else
    ``block-lanczos``: a rule, never a timing."""
    return "exact" if input_dim <= 1.5 * k + 60 or n <= AUDITED else "block-lanczos"


def check_estimator(name: str, tol: float) -> None:
    """Raise UsageError unless there is such an estimator (or ``auto``), and `tol` is a tolerance."""
    known = (*ESTIMATORS, AUTO)
    if name not in known:
        raise UsageError(f"estimator: got {name!r}, expected one of {', '.join(known)}", "use exact")
    if not 0 < tol < float("inf"):
        raise UsageError(f"tol: got {tol}, expected a positive number of nats", f"use tol={TOLERANCE}")


def start_of(linear_map: LinearMap, calibration: Calibration | None = None) -> Start:
    """Where estimators begin: what the map itself knows, else the calibration's average subspace, else a fixed random
    one."""
    if linear_map.start is not None:
        return linear_map.start
    n, size = len(linear_map), linear_map.input_dim
    if calibration is None and size > MOST_AT_ONCE:
        return lambda m: _random(m, size).to(linear_map.value).expand(n, -1, -1)
    subspace = (_random(size, size) if calibration is None else calibration.subspace).to(linear_map.value)
    return lambda m: subspace[:, :m].expand(n, -1, -1)


def _random(m: int, size: int) -> Tensor:
    """m fixed random directions, orthonormal float64 [size, m]."""
    stream = torch.Generator().manual_seed(0)
    return torch.linalg.qr(torch.randn(size, m, generator=stream, dtype=torch.float64))[0]
