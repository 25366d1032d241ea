"""The law that is drawn: p(z) · exp(rho · l) on a support, with statistics of the image held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from polarprior.errors import BankError, UsageError
from polarprior.law.diagnostics import Diagnostics, diagnose
from polarprior.law.hold import Held, Hold, Moment, moments
from polarprior.law.image_statistics import Statistic, named_statistics
from polarprior.law.joint import shares_of
from polarprior.law.limits import Limits, rho_limits
from polarprior.law.rows import Rows
from polarprior.law.support import Support, check_support, support_named
from polarprior.law.weights import Weights, polarity_weights


@dataclass(frozen=True, eq=False)
class Law:
    """A polarity prior, resolved on latents of the prior: its weights there, and those of any other latent.

    Attributes:
        rho, k: of exp(rho · l_k).
        support: the target, with its bounds.
        held: what holds statistics, or None.
        inside: bool [N], the rows of the support.
        weights: of the rows inside, summing to 1.
        diagnostics: of these weights.
    """

    rho: float
    k: int
    support: Support
    held: Held | None
    inside: np.ndarray = field(repr=False)
    weights: Weights = field(repr=False)
    diagnostics: Diagnostics = field(repr=False)

    def log_weight(self, log_volume: np.ndarray, statistics: np.ndarray | None = None) -> np.ndarray:
        """log of the factor by which the law differs from the prior on its support, up to a constant: [n].

        Args:
            log_volume: l_k [n], true or predicted; -inf gives -inf, unless rho is 0.
            statistics: [n, m], those that are held.
        """
        tilt = np.zeros(len(log_volume))
        if self.rho:
            full_rank = np.isfinite(log_volume)
            tilt[full_rank] = self.rho * self.support.clamped(log_volume[full_rank])
            tilt[~full_rank] = -np.inf
        return tilt if self.held is None or statistics is None else tilt - self.held.penalty(statistics)

    def to_dict(self) -> dict[str, Any]:
        """For metadata: what was drawn from."""
        low, high = (self.support.low, self.support.high) if self.support.bounded else (None, None)
        return {
            "rho": self.rho,
            "k": self.k,
            "support": {"name": self.support.name, "low": low, "high": high},
            "hold": None if self.held is None else self.held.to_dict(),
            **({"joint": True} if self.diagnostics.classes else {}),
        }


def resolve(
    rho: float,
    k: int,
    rows: Rows,
    *,
    support: str = "prior",
    held: int = 0,
    draws: int = 0,
    limits: Callable[[], Limits] | None = None,
) -> Law:
    """The law on `rows`: bounds of the support, multipliers of what is held, weights and diagnostics.

    Args:
        rho, k: of exp(rho · l_k).
        rows: latents of the prior.
        support: its name.
        held: how many of the rows' statistics are held, the first of them.
        draws: how many latents will be drawn; 0 where that is not known.
        limits: the limits of rho on all rows with nothing held, where they may be remembered.

    Raises:
        BankError: no row of full rank.
        PolarPriorError: the statistics can't be held.
    """
    if not np.isfinite(rows.log_volume).any():
        raise BankError(
            f"bank: no latent has {k} nonzero singular values"
            + (f" in class {rows.label}" if rows.label is not None else ""),
            f"use a smaller k, such as k={max(1, k // 2)}",
        )
    target = support_named(support, rows.log_volume, rows.lengths)
    inside = _inside(target, rows)
    log_volume = rows.log_volume if inside.all() else rows.log_volume[inside]
    seen = target.clamped(log_volume)
    labels = rows.labels if rows.labels is None or inside.all() else rows.labels[inside]
    shares = None if labels is None else shares_of(labels)
    weights = polarity_weights(seen, rho, shares)
    multipliers: Held | None = None
    hold: Hold | None = None
    moved: tuple[Moment, ...] = ()
    if held:
        names, values = rows.statistics()
        values = values[inside]
        hold = Hold(tuple(names[:held]), values[:, :held], shares)
        multipliers, weights = hold.solve(weights)
        moved = moments(names, values, weights, hold.names, shares)
    if limits is not None and target.name == "prior" and hold is None and shares is None:
        found = limits()
    else:
        found = rho_limits(seen, draws, hold, bounded=target.name == "clamp", shares=shares)
    report = diagnose(log_volume, rho, k, draws, rows.label, found, weights, str(target), moved, labels)
    return Law(rho, k, target, multipliers, inside, weights, report)


def _inside(target: Support, rows: Rows) -> np.ndarray:
    """bool [rows]: which rows the support allows; BankError where none of full rank is left."""
    if target.name != "shell" or not target.bounded:
        return np.ones(len(rows.log_volume), bool)
    inside = target.contains(rows.lengths())
    if not np.isfinite(rows.log_volume[inside]).any():
        raise BankError(f"bank: none of {len(inside)} latents is on the shell", "build a larger bank, such as n=1000")
    return inside


def check_law(rho: float, support: str, hold: tuple[str | Statistic, ...]) -> None:
    """UsageError for a rho that isn't finite, no such support, or no such statistic: before anything is computed."""
    if not np.isfinite(rho):
        raise UsageError(f"rho: got {rho}, expected a finite number", "use such as rho=-0.1")
    check_support(support)
    named_statistics(hold)


def described_laws(laws: dict[int | None, Law]) -> list[dict[str, Any]]:
    """Each class with its law, for metadata."""
    return [{"class": label, **law.to_dict()} for label, law in laws.items()]
