"""What exact spectra of a few latents tell: where to look, how far estimators are off, and what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a few exact Jacobians tell.

    Attributes:
        subspace: [K, K], orthonormal columns: the eigenvectors of the average J'J, the most stretched first.
        seeds: int64 [n], of the latents that were solved, the last there are, so that no bank holds them.
        log_sigma: float64 [n, k], their exact spectra.
        errors: estimator to the errors of its log-volume, float64, nats, on half of the latents, with the subspace
            of the other half.
        passes: estimator to the (JVPs, VJPs) a latent that it took there, the most of all latents.
        seconds: estimator to what it takes a latent. Measured, so not the same each time.
        calibration_seconds: what all this took.
    """

    subspace: Tensor
    seeds: np.ndarray
    log_sigma: Tensor
    errors: dict[str, Tensor] = field(default_factory=dict)
    passes: dict[str, tuple[int, int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    calibration_seconds: float = 0.0

    def spread(self, estimator: str) -> float:
        """The largest error of `estimator`, nats, once its median is taken off: a constant drops out of weights."""
        errors = self.errors[estimator]
        return float((errors - errors.median()).abs().max()) if bool(errors.isfinite().all()) else math.inf

    def offset(self, estimator: str) -> float:
        """The typical error of `estimator`, nats: the median of those that are finite, 0 where none is."""
        errors = self.errors[estimator]
        return float(errors[errors.isfinite()].median()) if bool(errors.isfinite().any()) else 0.0

    def cheapest(self, tol: float) -> str:
        """The name of the cheapest estimator whose `spread` is within `tol`; ``exact`` always is."""
        good = [name for name in self.errors if self.spread(name) <= tol]
        return min(good, key=lambda name: (self.seconds[name], name), default="exact")
