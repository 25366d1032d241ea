"""What a user must know about a polarity prior before trusting its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil, inf
from typing import Any

import numpy as np

from polarprior.errors import PolarPriorError, warn
from polarprior.law.hold import Moment, mean_and_std
from polarprior.law.joint import ClassMarginal, class_marginal, shares_of
from polarprior.law.limits import Limits, floor_to, needed_ess, rho_limits
from polarprior.law.psis import TRUSTED_K_HAT, pareto_k_hat
from polarprior.law.weights import Weights, expected_distinct, polarity_weights

DEFICIENT_SHARE = 0.01
"""Rank-deficient rows are never drawn at rho other than 0; above this share of them, the target is another one."""


@dataclass(frozen=True)
class Spending:
    """What a sampler that draws fresh latents has spent so far, and how exact that was.

    Attributes:
        drawn: latents that it has given.
        proposals: latents of the prior up to each draw; what streams hold behind it does not count.
        screened: proposals that have gone through the first stage, some of them behind a draw.
        jacobians: true log-volumes that these have called for, solved or known already.
        solved: of these, Jacobians taken now.
        exhausted: draws whose stream of proposals ended before one was accepted; they are not exact.
        exceedances: proposals whose weight was beyond the bound; each is drawn less often than it should be.
        beyond: share of the law that lies beyond the bound and is not drawn, as far as these proposals show.
        ess: effective sample size of the correction on the `jacobians` proposals.
    """

    drawn: int = 0
    proposals: int = 0
    screened: int = 0
    jacobians: int = 0
    solved: int = 0
    exhausted: int = 0
    exceedances: int = 0
    beyond: float = 0.0
    ess: float = 0.0

    @property
    def jacobians_per_effective_sample(self) -> float:
        """True log-volumes for each effective sample of importance weighting; NaN before the first draw."""
        return self.jacobians / self.ess if self.ess else np.nan

    @property
    def jacobians_per_draw(self) -> float:
        """True log-volumes for each latent drawn; NaN before the first draw."""
        return self.jacobians / self.drawn if self.drawn else np.nan

    @property
    def accepted(self) -> int:
        """Proposals that became draws."""
        return self.drawn - self.exhausted

    @property
    def acceptance(self) -> float:
        """Draws among proposals; NaN before the first."""
        return self.accepted / self.proposals if self.proposals else np.nan

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        derived = ("accepted", "acceptance", "jacobians_per_draw", "jacobians_per_effective_sample")
        return {**asdict(self), **{name: getattr(self, name) for name in derived}}

    def __str__(self) -> str:
        return (
            f"{self.drawn} drawn: {self.proposals} proposals (acceptance {self.acceptance:.2g}), {self.screened} "
            f"screened, {self.jacobians} "
            f"true log-volumes ({self.solved} solved now), {self.jacobians_per_draw:.2f} a draw, "
            f"{self.jacobians_per_effective_sample:.2f} an effective sample; {self.exceedances} beyond the bound "
            f"({self.beyond:.2%} of the law), "
            f"{self.exhausted} streams exhausted"
        )


@dataclass(frozen=True)
class Diagnostics:
    """The state of one rho on one bank, or on one class of it.

    Attributes:
        rho: the polarity.
        k: singular values in the log-volume.
        rows: rows of the bank (of the class).
        label: the class, or None.
        std: standard deviation of l_k under the prior, as the rows say, nats.
        tilt: rho · std, what can be compared between models, spaces and k.
        ess: effective sample size of the weights, 1 to `rows`.
        ess_needed: what the limits ask for.
        k_hat: Pareto shape of their tail; trust below 0.7.
        max_weight: the largest weight.
        draws: draws that `distinct` is about.
        distinct: expected number of different latents in that many draws.
        mean_log_volume: mean of l_k under the weights, nats.
        rank_deficient: rows with less than k nonzero singular values; left out.
        limits: the automatic limits of rho.
        support: the target, see `polarprior.law.support`.
        moments: where statistics are held: these, and what of the image still moved.
        spending: of a sampler that draws fresh latents: what it has spent.
        classes: of a joint law over classes: how far it moves them.
    """

    rho: float
    k: int
    rows: int
    label: int | None
    std: float
    tilt: float
    ess: float
    ess_needed: float
    k_hat: float
    max_weight: float
    draws: int
    distinct: float
    mean_log_volume: float
    rank_deficient: int
    limits: Limits
    support: str = "prior"
    moments: tuple[Moment, ...] = ()
    spending: Spending | None = None
    classes: ClassMarginal | None = None

    @property
    def within_limits(self) -> bool:
        """Whether rho is one that the bank supports."""
        return self.rho in self.limits

    @property
    def tilt_limits(self) -> Limits:
        """The limits, as tilts."""
        if not self.std:
            return self.limits
        return Limits(self.limits.lower * self.std, self.limits.upper * self.std)

    @property
    def target(self) -> str:
        """The support, what is held, and whether classes are drawn as well, for titles."""
        held = [moment.name for moment in self.moments if moment.held]
        joint = ", joint over classes" if self.classes else ""
        return f"support {self.support}" + (f", held: {', '.join(held)}" if held else "") + joint

    def to_dict(self) -> dict[str, Any]:
        """For JSON: limits as a list, what is not finite as None."""
        values = {**asdict(self), "limits": list(self.limits)}
        values["spending"] = None if self.spending is None else self.spending.to_dict()
        if self.classes is None:
            del values["classes"]
        finite: dict[str, Any] = _finite(values)
        return finite

    def __str__(self) -> str:
        fresh = self.spending is not None  # then no draw is a row
        idle = " (no matter: weights are bounded)" if self.support.startswith("clamp") else ""
        return (
            f"rho {self.rho:g} (tilt {self.tilt:.2f}), k {self.k}: "
            f"{'on the calibration ' if fresh else ''}ESS {self.ess:.0f} of {self.rows}, "
            f"k-hat {self.k_hat:.2f}{idle}, "
            f"largest weight {self.max_weight:.2g}, "
            + ("" if fresh else f"about {self.distinct:.0f} distinct expected in {self.draws} draws, ")
            + f"limits {self.limits} (tilt {self.tilt_limits})"
            + (f", class {self.label}" if self.label is not None else "")
            + (f", {self.rank_deficient} rank-deficient rows left out" if self.rank_deficient else "")
            + (f", support {self.support}" if self.support != "prior" else "")
            + (f"\n{self.classes}" if self.classes else "")
            + "".join(f"\n{'held' if each.held else 'moved'}: {each}" for each in self.moments)
            + (f"\n{self.spending}" if self.spending else "")
        )

    def complaint(self, by_tilt: bool = False) -> tuple[str, str] | None:
        """(what is wrong, what to do) where the draws can't be trusted, else None; of a tilt where one was asked
        for."""
        if self.rho and self.rank_deficient > DEFICIENT_SHARE * self.rows:
            return (
                f"k: {self.rank_deficient} of {self.rows} latents have less than {self.k} nonzero singular values, "
                "and would never be drawn",
                f"use a smaller one, such as k={max(1, self.k // 2)}, or go on with force=True",
            )
        if self.within_limits:
            return None
        name, got, limits = ("tilt", self.tilt, self.tilt_limits) if by_tilt else ("rho", self.rho, self.limits)
        lower, upper = floor_to(limits.lower), floor_to(limits.upper)
        reason = f"ESS {self.ess:.0f} of {self.rows} ({self.ess_needed:.0f} needed), " + (
            "too few rows for k-hat"
            if self.k_hat == inf
            else f"k-hat {self.k_hat:.2f} (trusted below {TRUSTED_K_HAT})"
        )
        where = "this bank" if self.label is None else f"class {self.label} of this bank"
        what = f"{name}: got {got:g}, expected {lower:g} to {upper:g} on {where}: {reason}"
        if lower == upper == 0:
            enough = max(2 * self.rows, ceil(self.rows * self.ess_needed / self.ess / 100) * 100)
            build = f"build a larger bank, of about {enough} latents (n={enough})"
            if self.label is not None:
                build = f"build a larger bank, of about {enough} latents of each class: n={enough} times its classes"
            return what, f"{build}, or go on with force=True"
        return what, f"use {name}={lower if self.rho < 0 else upper:g}, or go on with force=True"


def diagnose(
    log_volume: np.ndarray,
    rho: float,
    k: int,
    draws: int = 0,
    label: int | None = None,
    limits: Limits | None = None,
    weights: Weights | None = None,
    support: str = "prior",
    moments: tuple[Moment, ...] = (),
    labels: np.ndarray | None = None,
) -> Diagnostics:
    """Diagnostics of exp(rho · l) on a bank's rows, l [N]; `draws` 0 stands for N draws. Limits and weights are
    computed where None. `labels` are the rows' classes, where the law is a joint one over them."""
    weights = polarity_weights(log_volume, rho) if weights is None else weights
    finite = np.isfinite(log_volume)
    whole = bool(finite.all())
    known = log_volume if whole else log_volume[finite]
    log_w, w = weights if whole else (each[finite] for each in weights)
    shares = None if labels is None else shares_of(labels if whole else labels[finite])
    std = float(mean_and_std(known, shares)[1]) if known.size else 0.0
    return Diagnostics(
        rho=rho,
        k=k,
        rows=log_volume.size,
        label=label,
        std=std,
        tilt=rho * std,
        ess=weights.ess,
        ess_needed=needed_ess(known.size, draws),
        k_hat=pareto_k_hat(log_w if known.size else weights.log),
        max_weight=float(weights.values.max()),
        draws=draws or log_volume.size,
        distinct=expected_distinct(weights.values, draws or log_volume.size),
        mean_log_volume=float(known @ w / w.sum()) if known.size else -np.inf,
        rank_deficient=log_volume.size - known.size,
        limits=rho_limits(log_volume, draws) if limits is None else limits,
        support=support,
        moments=moments,
        classes=None if labels is None else class_marginal(labels, weights.values),
    )


def least_trusted(reports: Sequence[Diagnostics]) -> Diagnostics:
    """The class that can be trusted least: one outside its limits, then that of the lowest ESS a row."""
    return min(reports, key=lambda report: (report.within_limits, report.ess / report.rows))


def refuse_or_warn(report: Diagnostics, force: bool, by_tilt: bool = False) -> None:
    """Where the draws can't be trusted: PolarPriorError, or with `force` a warning; of a tilt where one was asked
    for."""
    complaint = report.complaint(by_tilt)
    if complaint and not force:
        raise PolarPriorError(*complaint)
    if complaint:
        warn(complaint[0])


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
