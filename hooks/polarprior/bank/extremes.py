"""The two ends of a bank: its most modal and its most anti-modal latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polarprior.bank.bank import Bank
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


def extremes(bank: Bank, n: int, label: int | None = None, k: int | None = None) -> tuple[End, End]:
    """The modes and the anti-modes of a bank, n of each; latents without full rank are in neither.

    Args:
        bank: the bank.
        n: how many, 1 to the rows.
        label: of this class; of all where None.
        k: singular values in the log-volume; all where None.

    Raises:
        UsageError: n, the class or k out of range.
    """
    rows = bank.rows_of(label)
    log_volume = bank.log_volume(k)[rows]
    finite = np.flatnonzero(np.isfinite(log_volume))
    if not 1 <= n <= finite.size:
        raise UsageError(f"n: got {n}, expected 1 to {finite.size}, the latents of full rank", "ask for fewer")
    order = finite[np.argsort(log_volume[finite], kind="stable")]
    ends = {"modes": order[:n], "anti-modes": order[::-1][:n]}
    low, high = (End(name, bank.seeds[rows[end]].tolist(), log_volume[end].tolist()) for name, end in ends.items())
    return low, high
