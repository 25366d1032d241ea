"""What a bank's spectra look like, in numbers and as text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.bank.format import BLOCK_ROWS

BINS, WIDTH = 15, 50
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class SpectrumStatistics(NamedTuple):
    """Mean and standard deviation of each log singular value over the bank's rows, float64 [k], nats.

    Rows where one is -inf are left out of it; NaN where all are.
    """

    mean: np.ndarray
    std: np.ndarray

    def lines(self) -> list[tuple[int, float, float]]:
        """(i, mean, std) of some of them: 1, 2, 3, 5, 10, 20, 30, 50, ... and k."""
        k = len(self.mean)
        chosen = sorted({i for i in (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, k) if i <= k})
        return [(i, float(self.mean[i - 1]), float(self.std[i - 1])) for i in chosen]


def spectrum_statistics(bank: Bank) -> SpectrumStatistics:
    """One pass over the spectra; a large bank remembers it."""
    k = bank.info.k
    values = bank.remember(f"spectrum-k{k}", lambda: _statistics(bank), length=2 * k)
    return SpectrumStatistics(values[:k], values[k:])


def _statistics(bank: Bank) -> np.ndarray:
    count, total, squares = np.zeros((3, bank.info.k))
    origin = np.zeros(bank.info.k)
    for start in range(0, len(bank), BLOCK_ROWS):
        block = bank.columns(start, min(start + BLOCK_ROWS, len(bank)))["log_singular_values"].astype(np.float64)
        finite = np.isfinite(block)
        block[~finite] = 0
        if start == 0:  # squares are taken around values of that size, or their digits cancel
            origin = block.sum(0) / np.maximum(finite.sum(0), 1)
        centred = np.where(finite, block - origin, 0.0)
        count += finite.sum(0)
        total += centred.sum(0)
        squares += (centred**2).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total / count
        return np.concatenate([origin + mean, np.sqrt(np.maximum(squares / count - mean**2, 0))])


def histogram(values: np.ndarray) -> str:
    """Finite values as bars of text, a line a bin: its lower edge, its bar, its count.

    >>> print(histogram(np.array([1.0, 1.0, 2.0])).splitlines()[0])
       1.00 ██████████████████████████████████████████████████ 2
    """
    finite = values[np.isfinite(values)]
    lower, upper = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    margin = max(0.0, 1e-6 * max(1.0, abs(lower)) - (upper - lower))  # what differs by rounding is in one bin
    counts, edges = np.histogram(finite, BINS, (lower, upper + margin))
    eighths = np.round(counts / max(counts.max(), 1) * WIDTH * 8).astype(int)
    return "\n".join(
        f"{edge:7.2f} {(_EIGHTHS[8] * (bar // 8) + _EIGHTHS[bar % 8]).rstrip()} {count}"
        for edge, bar, count in zip(edges[:-1], eighths, counts, strict=True)
    )
