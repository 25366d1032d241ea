"""From log-volumes to the weights of a bank's rows, in log space throughout."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """The weights of a bank's rows, summing to 1: their logarithms and themselves, float64 [N] each."""

    log: np.ndarray
    values: np.ndarray

    @property
    def ess(self) -> float:
        """See `effective_sample_size`."""
        return float(self.values.sum() ** 2 / (self.values @ self.values))


def polarity_weights(log_volume: np.ndarray, rho: float, shares: np.ndarray | None = None) -> Weights:
    """The weights w_i of the polarity prior on a bank: softmax(rho · l), times `shares` where rows have some.

    The bank's latents are draws from the model's own prior p, so exp(rho · l_i) alone gives
    p_rho ∝ p · exp(rho · l) (polarity paper, eq. 3 and Algorithm 1). Any finite rho and any shift of l
    give finite weights.

    A row whose l is -inf (the Jacobian's rank is less than k there) gets weight 0 at any rho but 0:
    it is left out rather than let it take everything at rho < 0. At rho = 0 every row weighs 1/N, or its share.

    Args:
        log_volume: l of the rows, [N].
        rho: the polarity.
        shares: what the rows weigh at rho 0, [N], above 0 and summing to 1; None where they all weigh the same.

    >>> polarity_weights(np.array([0.0, 1.0, -np.inf]), 2.0).values.round(3)
    array([0.119, 0.881, 0.   ])
    """
    log_volume = np.asarray(log_volume, np.float64)
    if rho == 0 and shares is not None:
        return Weights(np.log(shares), shares)
    if rho == 0:
        even = -np.log(log_volume.size)
        return Weights(np.full(log_volume.shape, even), np.full(log_volume.shape, 1 / log_volume.size))
    full_rank = np.isfinite(log_volume)
    lost = None if full_rank.all() else ~full_rank
    finite = log_volume if lost is None else log_volume[full_rank]
    # The extreme that will weigh most is taken off first: no overflow, and a common part of l costs no digits.
    tilt = log_volume - (finite.max() if rho > 0 else finite.min())
    tilt *= rho
    if lost is not None:
        tilt[lost] = -np.inf
    if shares is not None:
        tilt += np.log(shares)
    values = np.exp(tilt)
    total = values.sum()
    values /= total
    tilt -= np.log(total)
    return Weights(tilt, values)


def effective_sample_size(log_w: np.ndarray) -> float:
    """ESS = (sum of w_i)² / sum of w_i², between 1 and N; the log weights need not be normalised.

    >>> effective_sample_size(np.log([0.5, 0.5]))
    2.0
    """
    weights = np.exp(log_w - log_w.max())
    return float(weights.sum() ** 2 / (weights @ weights))


def expected_distinct(weights: np.ndarray, draws: int) -> float:
    """How many different rows `draws` draws with replacement, of such probabilities, are expected to hit."""
    with np.errstate(divide="ignore"):
        missed = np.log1p(-np.minimum(weights, 1.0))
    missed *= draws
    return float(-np.expm1(missed, out=missed).sum())
