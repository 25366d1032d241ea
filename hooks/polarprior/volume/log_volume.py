"""From a spectrum to its log-volume."""

from __future__ import annotations

import math

import numpy as np

from polarprior.errors import UsageError


def log_volume(log_sigma: np.ndarray, epsilon: float = 0.0) -> np.ndarray:
    """Sum of log(sigma_i + epsilon) over the last axis, float64.

    The epsilon of the polarity paper (Algorithm 1) keeps a rank-deficient latent's volume finite; with 0 it is -inf.

    Raises:
        UsageError: epsilon below 0, or not a number.
    """
    if not 0 <= epsilon < math.inf:
        raise UsageError(f"epsilon: got {epsilon}, expected a number from 0 up", "leave it out for 0")
    if epsilon > 0:
        log_sigma = np.logaddexp(log_sigma, math.log(epsilon), dtype=np.float64)
    return log_sigma.sum(-1, dtype=np.float64)
