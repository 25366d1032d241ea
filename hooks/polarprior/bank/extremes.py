"""The two ends of a bank: its most modal and its most anti-modal latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polarprior.errors import UsageError


@dataclass(frozen=True)
class End:
    """One end of a bank.

    Attributes:
        name: ``modes``, of lowest log-volume, where rho < 0 goes; ``anti-modes``, of highest.
        seeds: the most extreme first.
        log_volumes: of these, nats.
    """

    name: str
    seeds: list[int]
    log_volumes: list[float]


def end_of(seeds: np.ndarray, log_volume: np.ndarray, n: int, anti: bool) -> End:
    """The n rows at one end; rows without full rank are at neither.

    Args:
        seeds: of the rows, int64 [N].
        log_volume: l_k of them, float64 [N], -inf without full rank.
        n: how many.
        anti: of highest log-volume, rather than of lowest.

    Raises:
        UsageError: n out of range.
    """
    finite = np.flatnonzero(np.isfinite(log_volume))
    if not 1 <= n <= finite.size:
        raise UsageError(f"n: got {n}, expected 1 to {finite.size}, the latents of full rank", "ask for fewer")
    order = finite[np.argsort(log_volume[finite], kind="stable")]
    rows = order[::-1][:n] if anti else order[:n]
    return End("anti-modes" if anti else "modes", seeds[rows].tolist(), log_volume[rows].tolist())
