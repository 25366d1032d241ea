"""How far a bank's log-volumes are from the exact ones, on random rows that are solved exactly."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import torch

AUDITED = 300
"""Rows that are audited. Of 299 rows all within an error, at least 99% of all are, with 95% confidence."""
SHARE, CONFIDENCE = 0.99, 0.95


@dataclass(frozen=True)
class Audit:
    """What the audited rows show. Errors are those of the log-volume, in nats, less `offset`.

    Attributes:
        audited: rows.
        error: the largest.
        offset: the typical error, from the calibration: the same for all rows, and no matter for the weights.
        spearman: rank correlation between l_k and the full log-volume (all singular values), 1 where k is all;
            None where either is constant.
        holds: whether the error is within the tolerance for at least 99% of latents, with 95% confidence.
    """

    audited: int
    error: float
    offset: float
    spearman: float | None
    holds: bool

    def to_dict(self) -> dict[str, float | int | bool]:
        """Without what is not known."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@lru_cache(maxsize=1)
def audited_rows(n: int) -> np.ndarray:
    """Which of n rows to audit: min(n, 300), random, the same each time; ascending int64. Not to be written to."""
    stream = torch.Generator().manual_seed(0)
    return np.sort(torch.randperm(n, generator=stream)[:AUDITED].numpy())


def audit(estimated: np.ndarray, exact: np.ndarray, full: np.ndarray, *, offset: float, tol: float) -> Audit:
    """Compare.

    Args:
        estimated: l_k [m] as the bank has them.
        exact: l_k [m], exactly.
        full: log-volumes [m] of all singular values.
        offset: what the errors are expected to have in common, nats.
        tol: nats.
    """
    from scipy.stats import spearmanr  # a second to import

    with np.errstate(invalid="ignore"):
        errors = np.where(estimated == exact, 0.0, np.abs(estimated - exact - offset))
    largest = float(errors.max())
    varies = np.ptp(exact) > 0 and np.ptp(full) > 0 if np.isfinite([exact, full]).all() else False
    return Audit(
        audited=len(exact),
        error=largest if np.isfinite(largest) else np.finfo(np.float64).max,
        offset=offset,
        spearman=float(spearmanr(exact, full)[0]) if varies else None,
        holds=bool(largest <= tol and 1 - SHARE ** len(exact) >= CONFIDENCE),
    )
