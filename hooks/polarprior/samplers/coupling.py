"""One draw from a weighted bank that keeps a stock latent wherever the law allows it."""

from __future__ import annotations

from functools import cached_property

import numpy as np


class MaximalCoupling:
    """Draws rows of a weighted bank: the maximal coupling of what they weigh without polarity and the weights.

    Args:
        weights: w_i, float64 [N], summing to 1.
        shares: u_i, float64 [N], summing to 1: how often row i comes in; 1/N where None.

    A latent that is row i stays with probability min(1, w_i / u_i); otherwise a row is drawn from the residual,
    ∝ max(w_j - u_j, 0). A latent that is no row is drawn from w. So rows that come in by u go out with
    law w exactly: min(u_j, w_j) stays, and what leaves fills the rest. No other coupling keeps more
    (Thorisson, Coupling, Stationarity, and Regeneration, 2000, chapter 1).
    """

    def __init__(self, weights: np.ndarray, shares: np.ndarray | None = None):
        self._weights = weights
        self._shares = shares

    def rows(self, own: np.ndarray, u: np.ndarray) -> np.ndarray:
        """A row for each incoming latent.

        Args:
            own: int64 [n], the row that the incoming latent is, or -1 where it is no row of the bank.
            u: float64 [n, 2], uniform on [0, 1).

        Returns:
            int64 [n].
        """
        known = own >= 0
        rows = np.where(known, own, 0)
        ratio = self._weights.size * self._weights[rows]
        if self._shares is not None:
            ratio = self._weights[rows] / self._shares[rows]
        stay_probability = np.where(known, ratio, 0.0)
        # Equal weights leave no residual: everything stays, whatever the rounding of w / u says.
        stays = known & ((u[:, 0] < stay_probability) | (self._residual[-1] == 0))
        moves = known & ~stays
        drawn = np.where(stays, own, -1)
        if not known.all():
            drawn[~known] = _inverse_cdf(self._cumulative, u[~known, 1])
        if moves.any():
            drawn[moves] = _inverse_cdf(self._residual, u[moves, 1])
        return drawn

    @cached_property
    def _cumulative(self) -> np.ndarray:
        return np.cumsum(self._weights)

    @cached_property
    def _residual(self) -> np.ndarray:
        """Cumulative sums of max(w - u, 0)."""
        residual = self._weights - (1 / self._weights.size if self._shares is None else self._shares)
        np.maximum(residual, 0, out=residual)
        return np.cumsum(residual, out=residual)


def _inverse_cdf(cumulative: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Rows drawn by their cumulative weights, one for each u; never one of weight 0."""
    last = np.searchsorted(cumulative, cumulative[-1])  # where the sum is reached: all behind it weigh 0
    return np.searchsorted(cumulative, u * cumulative[-1], side="right").clip(max=last)
