"""The law that is drawn: p(z) · exp(rho · l) on a support, with statistics of the image held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from polarprior.errors import BankError, UsageError
from polarprior.prior.diagnostics import Diagnostics, diagnose
from polarprior.prior.hold import Held, Hold, Moment, moments
from polarprior.prior.limits import Limits, rho_limits
from polarprior.prior.rows import Rows
from polarprior.prior.sampler import SamplerOptions
from polarprior.prior.support import Support, support_named
from polarprior.prior.weights import Weights, polarity_weights


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
        bounds = [bound if np.isfinite(bound) else None for bound in (self.support.low, self.support.high)]
        return {
            "rho": self.rho,
            "k": self.k,
            "support": {"name": self.support.name, "low": bounds[0], "high": bounds[1]},
            "hold": None if self.held is None else self.held.to_dict(),
        }


def resolve(
    rho: float, k: int, rows: Rows, options: SamplerOptions, limits: Callable[[], Limits] | None = None
) -> Law:
    """The law on `rows`: bounds of the support, multipliers of what is held, weights and diagnostics.

    Args:
        rho, k: of exp(rho · l_k).
        rows: latents of the prior.
        options: support, hold and draws.
        limits: the limits of rho on all rows with nothing held, where they may be remembered.

    Raises:
        UsageError: rho not finite, no such support or statistic.
        BankError: no row of full rank.
        PolarPriorError: the statistics can't be held.
    """
    if not np.isfinite(rho):
        raise UsageError(f"--polarity: got {rho}, expected a finite number", "use such as --polarity=-0.1")
    if not np.isfinite(rows.log_volume).any():
        raise BankError(
            f"bank: no latent has {k} nonzero singular values"
            + (f" in class {rows.label}" if rows.label is not None else ""),
            "use a smaller k: -k " + str(max(1, k // 2)),
        )
    support = support_named(options.support, rows.log_volume, rows.radius)
    inside = np.ones(len(rows.log_volume), bool)
    if support.name == "shell" and np.isfinite(support.high):
        inside = support.contains(rows.radius())
    log_volume = rows.log_volume if inside.all() else rows.log_volume[inside]
    seen = support.clamped(log_volume)
    weights = polarity_weights(seen, rho)
    held: Held | None = None
    hold: Hold | None = None
    moved: tuple[Moment, ...] = ()
    if options.hold:
        names, values = rows.statistics()
        values = values[inside]
        hold = Hold(tuple(names[: len(options.hold)]), values[:, : len(options.hold)])
        held, weights = hold.solve(weights)
        moved = moments(names, values, weights, hold.names)
    plain = support.name == "prior" and hold is None and limits is not None
    found = limits() if plain and limits is not None else rho_limits(seen, options.draws, hold)
    report = diagnose(log_volume, rho, k, options.draws, rows.label, found, weights, str(support), moved)
    return Law(rho, k, support, held, inside, weights, report)


def described_laws(laws: dict[int | None, Law]) -> list[dict[str, Any]]:
    """Each class with its law, for metadata."""
    return [{"class": label, **law.to_dict()} for label, law in laws.items()]
