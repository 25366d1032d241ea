"""One draw from a weighted bank that keeps a stock latent wherever the law allows it."""

from __future__ import annotations

import numpy as np


def coupled_rows(weights: np.ndarray, own: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Draw a row of a bank for each incoming latent: the maximal coupling of uniform and `weights`.

    Args:
        weights: w_i, float64 [N], summing to 1.
        own: int64 [n], the row that the incoming latent is, or -1 where it is no row of the bank.
        u: float64 [n, 2], uniform on [0, 1).

    Returns:
        int64 [n], rows drawn.

    A latent that is row i stays with probability min(1, N w_i); otherwise a row is drawn from the residual,
    ∝ max(w_j - 1/N, 0). A latent that is no row is drawn from w. So rows that come in uniformly go out with
    law w exactly: min(1/N, w_j) stays, and what leaves fills the rest. No other coupling keeps more
    (Thorisson, Coupling, Stationarity, and Regeneration, 2000, chapter 1).
    """
    known = own >= 0
    residual = np.maximum(weights - 1 / weights.size, 0)
    stay_probability = np.where(known, weights.size * weights[np.where(known, own, 0)], 0.0)
    # Equal weights leave no residual: everything stays, whatever the rounding of N w says.
    stays = known & ((u[:, 0] < stay_probability) | (residual.sum() == 0))
    moves = known & ~stays
    drawn = np.where(stays, own, -1)
    drawn[~known] = _inverse_cdf(weights, u[~known, 1])
    if moves.any():
        drawn[moves] = _inverse_cdf(residual, u[moves, 1])
    return drawn


def _inverse_cdf(weights: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Rows drawn with probability ∝ weights, one for each u; never one of weight 0."""
    cumulative = np.cumsum(weights)
    return np.searchsorted(cumulative, u * cumulative[-1], side="right").clip(max=_last_positive(weights))


def _last_positive(weights: np.ndarray) -> int:
    return int(np.flatnonzero(weights > 0)[-1])
