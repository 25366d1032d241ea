"""Where a polarity prior may put its mass: everywhere, on the prior's own shell, or with log-volumes clamped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from polarprior.errors import UsageError, nearest

SUPPORTS = ("prior", "shell", "clamp")
QUANTILES = (0.005, 0.995)
"""Where a support ends: quantiles of the prior's |z| for the shell, of the bank's log-volumes for the clamp."""


@dataclass(frozen=True)
class Support:
    """One of three targets, which differ as soon as rho is large.

    Attributes:
        name: ``prior``: p(z) exp(rho · l), whatever |z| that leads to; ``shell``: the same, |z| between `low` and
            `high`; ``clamp``: p(z) exp(rho · clip(l, low, high)), whose weights are bounded.
        low, high: |z|, or nats of log-volume.
    """

    name: str = "prior"
    low: float = -np.inf
    high: float = np.inf

    def contains(self, radius: np.ndarray) -> np.ndarray:
        """Whether latents of these |z|, [n], are in it: bool [n]."""
        if self.name != "shell":
            return np.ones(len(radius), bool)
        return (self.low <= radius) & (radius <= self.high)

    def clamped(self, log_volume: np.ndarray) -> np.ndarray:
        """Log-volumes as this target sees them; -inf, no full rank, stays what it is."""
        if self.name != "clamp":
            return log_volume
        return np.where(np.isfinite(log_volume), np.clip(log_volume, self.low, self.high), log_volume)

    def __str__(self) -> str:
        if not np.isfinite(self.high):
            return self.name
        return f"{self.name} ({'|z|' if self.name == 'shell' else 'l'} {self.low:.4g} to {self.high:.4g})"


def support_named(name: str, log_volume: np.ndarray, radius: Callable[[], np.ndarray]) -> Support:
    """A support, its bounds from latents drawn from the prior.

    Args:
        name: one of `SUPPORTS`.
        log_volume: of these latents, [n].
        radius: gives their |z|, [n]; where it is the same for all, as on a sphere, the shell is everything.

    Raises:
        UsageError: no such support.
    """
    check_support(name)
    if name == "prior":
        return Support()
    values = radius() if name == "shell" else log_volume[np.isfinite(log_volume)]
    if not values.size or np.ptp(values) <= 1e-5 * abs(values[0]):
        return Support(name)
    low, high = np.quantile(values, QUANTILES)
    return Support(name, float(low), float(high))


def check_support(name: str) -> None:
    """UsageError unless there is such a support."""
    if name not in SUPPORTS:
        raise UsageError(
            f"support: got {name!r}, expected one of {', '.join(SUPPORTS)}",
            f"use support={nearest(name, SUPPORTS)}",
        )
