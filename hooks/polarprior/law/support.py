"""Where a polarity prior may put its mass: everywhere, on the prior's own shell, or with log-volumes clamped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from polarprior.errors import UsageError, nearest

SUPPORTS = ("prior", "shell", "clamp")
QUANTILES = (0.005, 0.995)
"""Where a support ends: quantiles of the prior's |z| for the shell, of the bank's log-volumes for the clamp."""
Bound = float | tuple[float, ...]


@dataclass(frozen=True)
class Support:
    """One of three targets, which differ as soon as rho is large.

    Attributes:
        name: ``prior``: p(z) exp(rho · l), whatever |z| that leads to; ``shell``: the same, every length of
            `polarprior.law.geometry.Geometry` between `low` and `high`; ``clamp``: p(z) exp(rho · clip(l, low,
            high)), whose weights are bounded.
        low, high: nats of log-volume; or lengths, one number each where there is one length, else m of them.
    """

    name: str = "prior"
    low: Bound = -np.inf
    high: Bound = np.inf

    @property
    def bounded(self) -> bool:
        """Whether it leaves anything out."""
        return bool(np.isfinite(self.high).all())

    def contains(self, lengths: np.ndarray) -> np.ndarray:
        """Whether latents of these lengths, [n, m], are in it: bool [n]."""
        if self.name != "shell":
            return np.ones(len(lengths), bool)
        return np.asarray(((self.low <= lengths) & (lengths <= self.high)).all(1))

    def clamped(self, log_volume: np.ndarray) -> np.ndarray:
        """Log-volumes as this target sees them; -inf, no full rank, stays what it is."""
        if self.name != "clamp":
            return log_volume
        return np.where(np.isfinite(log_volume), np.clip(log_volume, self.low, self.high), log_volume)

    def __str__(self) -> str:
        if not self.bounded:
            return self.name
        if isinstance(self.high, tuple):
            return f"{self.name} (the lengths of {len(self.high)} parts of z)"
        return f"{self.name} ({'|z|' if self.name == 'shell' else 'l'} {self.low:.4g} to {self.high:.4g})"


def support_named(name: str, log_volume: np.ndarray, lengths: Callable[[], np.ndarray]) -> Support:
    """A support, its bounds from latents drawn from the prior.

    Args:
        name: one of `SUPPORTS`.
        log_volume: of these latents, [n].
        lengths: gives theirs, [n, m]; with none, m = 0, the shell is everything. Several are held more loosely, so
            that together they leave out as many latents as one would.

    Raises:
        UsageError: no such support.
    """
    check_support(name)
    if name == "prior":
        return Support()
    values = lengths() if name == "shell" else log_volume[np.isfinite(log_volume)][:, None]
    if not values.size or np.ptp(values) <= 1e-5 * abs(values[0, 0]):
        return Support(name)
    tail = QUANTILES[0] / values.shape[1]
    low, high = np.quantile(values, [tail, 1 - tail], axis=0).tolist()
    return Support(name, low[0], high[0]) if len(low) == 1 else Support(name, tuple(low), tuple(high))


def check_support(name: str) -> None:
    """UsageError unless there is such a support."""
    if name not in SUPPORTS:
        raise UsageError(
            f"support: got {name!r}, expected one of {', '.join(SUPPORTS)}",
            f"use support={nearest(name, SUPPORTS)}",
        )
