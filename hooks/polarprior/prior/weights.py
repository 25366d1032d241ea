"""From log-volumes to the weights of a bank's rows, in log space throughout."""

from __future__ import annotations

import numpy as np


def log_weights(log_volume: np.ndarray, rho: float) -> np.ndarray:
    """log w_i of the polarity prior on a bank: log softmax(rho · l), float64 [N].

    The bank's latents are draws from the model's own prior p, so exp(rho · l_i) alone gives
    p_rho ∝ p · exp(rho · l) (polarity paper, eq. 3 and Algorithm 1). Any finite rho and any shift of l
    give finite weights.

    A row whose l is -inf (the Jacobian's rank is less than k there) gets weight 0 at any rho but 0:
    it is left out rather than let it take everything at rho < 0. At rho = 0 every row weighs 1/N.

    >>> np.exp(log_weights(np.array([0.0, 1.0, -np.inf]), 2.0)).round(3)
    array([0.119, 0.881, 0.   ])
    """
    log_volume = np.asarray(log_volume, np.float64)
    if rho == 0:
        return np.full(log_volume.shape, -np.log(log_volume.size))
    full_rank = np.isfinite(log_volume)
    # The extreme that will weigh most is taken off first: no overflow, and a common part of l costs no digits.
    heaviest = log_volume[full_rank].max() if rho > 0 else log_volume[full_rank].min()
    tilt = np.where(full_rank, rho * (log_volume - heaviest), -np.inf)
    return tilt - np.log(np.exp(tilt).sum())


def effective_sample_size(log_w: np.ndarray) -> float:
    """ESS = (sum of w_i)² / sum of w_i², between 1 and N; the log weights need not be normalised.

    >>> effective_sample_size(np.log([0.5, 0.5]))
    2.0
    """
    weights = np.exp(log_w - log_w.max())
    return float(weights.sum() ** 2 / (weights @ weights))


def expected_distinct(log_w: np.ndarray, draws: int) -> float:
    """How many different rows `draws` draws with replacement are expected to hit."""
    with np.errstate(divide="ignore"):
        missed = np.exp(draws * np.log1p(-np.minimum(np.exp(log_w), 1.0)))
    return float((1 - missed).sum())
