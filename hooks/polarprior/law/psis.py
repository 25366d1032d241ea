"""Pareto k-hat: does the tail of the weights have a variance?"""

from __future__ import annotations

import numpy as np

TRUSTED_K_HAT = 0.7
"""Below this k-hat, importance weights give usable averages (Vehtari et al.)."""


def pareto_k_hat(log_w: np.ndarray) -> float:
    """Shape of a generalised Pareto distribution fitted to the largest weights, normalised or not.

    The tail holds the floor(min(N / 5, 3 sqrt(N))) largest weights. Below `TRUSTED_K_HAT` the weights are reliable,
    at 0.5 their variance ends, at 1 their mean. Equal weights have no tail: 0. A tail of under five weights
    tells nothing: inf.

    References:
        Vehtari, Simpson, Gelman, Yao, Gabry: Pareto smoothed importance sampling, JMLR 25 (2024).
    """
    log_w = np.asarray(log_w, np.float64)
    return tail_k_hat(largest_weights(log_w)) if log_w.min() < log_w.max() else 0.0


def largest_weights(log_w: np.ndarray) -> np.ndarray:
    """The tail of the weights and the one before it, ascending: all that `tail_k_hat` looks at."""
    tail = int(min(log_w.size / 5, 3 * np.sqrt(log_w.size)))
    return np.sort(np.partition(log_w, -tail - 1)[-tail - 1 :])


def tail_k_hat(largest: np.ndarray) -> float:
    """`pareto_k_hat` from the `largest_weights`, which for all rho of one sign are of the same rows.

    0 where these are all the same, as where log-volumes are clamped.
    """
    if largest[0] == largest[-1]:
        return 0.0
    largest = largest - largest[-1]
    threshold = max(largest[0], np.log(np.finfo(np.float64).tiny))
    exceedances = np.exp(largest[largest > threshold]) - np.exp(threshold)
    return _generalised_pareto_shape(exceedances) if exceedances.size >= 5 else np.inf


def _generalised_pareto_shape(x: np.ndarray) -> float:
    """Posterior mean of the shape of a generalised Pareto distribution, x ascending and positive.

    The profile likelihood in theta = -shape/scale is averaged over a grid whose prior is centred on the
    first quartile of x; the result is drawn a little towards 0.5, as if by 10 further observations.

    References:
        Zhang, Stephens: A new and efficient estimation method for the generalized Pareto distribution,
        Technometrics 51 (2009). The prior on the shape is that of Vehtari et al., appendix C.
    """
    n = x.size
    grid = 30 + int(np.sqrt(n))
    quartile = x[int(n / 4 + 0.5) - 1]
    theta = 1 / x[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quartile)
    theta[theta == 0] = np.finfo(np.float64).eps / x[-1]  # where x is one value, the grid can hit the exponential law
    shape = np.log1p(-theta[:, None] * x).mean(1)
    log_likelihood = n * (np.log(-theta / shape) - shape - 1)
    posterior = np.exp(log_likelihood - log_likelihood.max())
    theta_mean = (theta * posterior).sum() / posterior.sum()
    shape_mean = np.log1p(-theta_mean * x).mean()
    return float((n * shape_mean + 10 * 0.5) / (n + 10))
