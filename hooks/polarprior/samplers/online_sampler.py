"""The online sampler: fresh latents, proposed by a surrogate of the log-volume and corrected by the true one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.errors import PolarPriorError, UsageError, warn
from polarprior.generator import Generator, Latents
from polarprior.jacobian.of_generator import JacobianOf
from polarprior.law.diagnostics import least_trusted, refuse_or_warn
from polarprior.law.geometry import Geometry
from polarprior.law.image_statistics import Statistic, measured, named_statistics
from polarprior.law.joint import check_joint
from polarprior.law.law import Law, check_law, described_laws, resolve
from polarprior.law.rows import Rows, Source, labels_asked_for, rows_of_bank
from polarprior.law.tilt import rho_at
from polarprior.samplers.contract import SamplerOptions
from polarprior.samplers.fresh import FreshSampler, Screened
from polarprior.samplers.leaving import warn_if_it_leaves
from polarprior.samplers.true_volumes import LogVolumes
from polarprior.surrogate.features import FeaturesOf
from polarprior.surrogate.surrogate import FEWEST_ROWS, Surrogate, surrogate_of

UNFINISHED = 1e-4
"""Share of streams that are expected to end without a draw."""
TAIL, AHEAD = 0.95, 10
"""The quantile where a tail begins, and for how many times as many rows it is continued."""
SHORTEST_ON_SHELL = 16
"""So that a stream that holds no latent of the shell is not met."""
TOLERATED = 0.01
"""Share of streams that may be expected to end without a draw, before that is an error."""
LONGEST = 5000
"""Proposals in a stream, at most."""


@dataclass(frozen=True, eq=False)
class SurrogateAcceptance:
    """Delayed acceptance with a bound (Christen, Fox: MCMC using an approximation, 2005; here by rejection).

    With t the log-weight of the law and t' the surrogate's, a proposal passes the first stage with probability
    a = min(1, exp(t' - level)) and the second with min(1, exp(t - bound) / a). What comes out has the law ∝
    p · min(exp(t), a exp(bound)): exact wherever t - log a <= bound.

    Attributes:
        law: the target, resolved on the calibration rows.
        surrogate, features_of, statistics: what the first stage looks at.
        level, bound: chosen on the calibration rows, each predicted as by a fit without it.
        expected_pass: mean of a on these rows.
        acceptance: share of proposals that become draws, expected on these rows.
        length: proposals in a stream: so many that a share `UNFINISHED` is expected to end without a draw, `LONGEST`
            at most.
        unfinished: the share that is expected to end without one at that length.
    """

    law: Law
    surrogate: Surrogate
    features_of: FeaturesOf
    statistics: dict[str, Statistic]
    level: float
    bound: float
    expected_pass: float
    acceptance: float
    length: int
    unfinished: float

    def screen(self, latents: Latents) -> Screened:
        """One forward pass."""
        features = self.features_of(latents)
        held = measured(self.statistics, features.images)
        guess = self.law.log_weight(self.surrogate(features), held)
        return Screened(np.minimum(0, guess - self.level), guess, held)

    def log_correction(self, log_volume: np.ndarray, screened: Screened) -> np.ndarray:
        """log of exp(t - bound) / a."""
        return self.law.log_weight(log_volume, screened.statistics) - screened.log_pass - self.bound

    def to_dict(self) -> dict[str, Any]:
        """For metadata."""
        return {name: getattr(self, name) for name in ("level", "bound", "acceptance", "length", "unfinished")}


class OnlineSampler(FreshSampler):
    """Fresh latents of a polarity prior from a calibration bank of about a thousand latents.

    Args:
        generator: the model.
        bank: of latents from its prior.
        rho: the polarity.
        options: k, label, support, hold, force, joint and tilt; `draws` has no say, since draws are fresh.
        jacobian_of: gives the model's Jacobians.
        geometry: of its prior; what the generator says of itself where None.

    Raises:
        UsageError: rho not finite, k more than the bank holds, no such support or statistic.
        BankError: the bank doesn't fit, or is too small.
        PolarPriorError: rho is outside of what the calibration bank supports, and `options.force` not set.
    """

    def __init__(
        self,
        generator: Generator,
        bank: Bank,
        rho: float,
        options: SamplerOptions,
        jacobian_of: JacobianOf,
        geometry: Geometry | None = None,
    ):
        bank.check_fits(generator)
        check_law(rho, options.support, options.held)
        if options.joint:
            check_joint(generator, bank, options.label)
        k = bank.info.k if options.k is None else options.k
        self._k = k
        self._surrogate = surrogate_of(generator, bank, k)
        features_of, statistics = FeaturesOf(generator), named_statistics(options.held)
        acceptances: dict[int | None, SurrogateAcceptance] = {}
        for label in [None] if options.joint else labels_asked_for(bank, options.label):
            rows = self._calibration(bank, label)
            source = Source(generator, geometry)
            known = rows_of_bank(bank, k, label, rows, options.held, source, options.joint)
            its_rho = rho_at(rho, options.tilt, bank, k, label, options.joint)
            law = resolve(its_rho, k, known, support=options.support, held=len(statistics))
            tuned = _tuned(law, known.log_volume, self._surrogate.left_out[rows], known, len(statistics))
            acceptances[label] = SurrogateAcceptance(law, self._surrogate, features_of, statistics, **tuned)
        self._laws = {label: each.law for label, each in acceptances.items()}
        self._tuned = [{"class": label, **each.to_dict()} for label, each in acceptances.items()]
        diagnostics = least_trusted([each.law.diagnostics for each in acceptances.values()])
        refuse_or_warn(diagnostics, options.force, options.tilt is not None)
        slowest = max(acceptances.values(), key=lambda each: each.unfinished)
        _refuse_or_warn_of_ends(slowest.unfinished, slowest.law.rho, options.force)
        warn_if_it_leaves(generator, bank, diagnostics, jacobian_of, geometry)
        classes = np.unique(bank.labels) if options.joint and bank.labels is not None else None
        log_volumes = LogVolumes(generator, bank, k, jacobian_of)
        super().__init__(generator, bank, log_volumes, acceptances, diagnostics, geometry, classes)

    def _calibration(self, bank: Bank, label: int | None) -> np.ndarray:
        """The rows of a class, or of all of them where None, that the surrogate was fitted on: int64 [n].

        Raises:
            UsageError: fewer than `FEWEST_ROWS`.
        """
        calibrated = len(self._surrogate.left_out)
        rows = bank.rows_of(label)
        rows = rows[rows < calibrated]
        if rows.size < FEWEST_ROWS:
            raise UsageError(
                f"label: {label} has {rows.size} rows among the first {calibrated} of the bank, expected "
                f"{FEWEST_ROWS} to calibrate the online sampler on",
                f"build a bank for it: polarprior bank build MODEL --class {label} -n 1000 --out BANK",
            )
        return rows

    def described(self) -> dict[str, Any]:
        """For metadata: the law of each class, the surrogate, and how it was tuned."""
        surrogate = {
            "digest": self._surrogate.digest,
            "calibrated": len(self._surrogate.left_out),
            "r2": self._surrogate.r2(self._bank.log_volume(self._k)),
        }
        return {"laws": described_laws(self._laws), "surrogate": surrogate, "streams": self._tuned}


def _refuse_or_warn_of_ends(unfinished: float, rho: float, force: bool) -> None:
    if unfinished <= TOLERATED:
        return
    message = f"rho: at {rho:g} {unfinished:.0%} of the streams of {LONGEST} proposals would end without a draw"
    if not force:
        raise PolarPriorError(message, "use a smaller rho, or support=clamp, or go on with force=True")
    warn(message)


def _tuned(law: Law, log_volume: np.ndarray, predicted: np.ndarray, known: Rows, held: int) -> dict[str, Any]:
    """Level, bound and the rest of a `SurrogateAcceptance`, on calibration rows: l_k true and predicted, [n].

    The bound is the largest that these rows call for. The level is what the surrogate's log-weights would be expected
    to reach on `AHEAD` times as many rows: their largest, and log(AHEAD) times the mean excess of their upper tail
    (Hill: A simple general approach to inference about the tail of a distribution, 1975). It is cheap to set it high:
    more proposals are looked at, but the tail of l itself, heavy for rho < 0, no longer decides the bound.
    """
    inside = law.inside & (np.isfinite(log_volume) if law.rho else True)
    statistics = known.statistics()[1][inside, :held] if held else None
    true, guess = (law.log_weight(each[inside], statistics) for each in (log_volume, predicted))
    threshold = np.quantile(guess, TAIL)
    level = float(guess.max() + np.log(AHEAD) * (guess[guess >= threshold].mean() - threshold))
    if law.support.name == "clamp" and law.held is None:  # no log-weight is beyond these
        clamped = np.array([law.support.low, law.support.high], np.float64)
        level = min(level, float(law.log_weight(clamped).max()))
    log_pass = np.minimum(0, guess - level)
    bound = float((true - log_pass).max())
    accepted = float(np.exp(true - bound).mean() * inside.mean())
    ends = np.log(UNFINISHED) / np.log1p(-accepted) if accepted < 1 else 1.0
    shortest = 1 if inside.all() else SHORTEST_ON_SHELL
    length = int(np.clip(np.ceil(ends), shortest, LONGEST))
    return {
        "level": level,
        "bound": bound,
        "expected_pass": float(np.exp(log_pass).mean()),
        "acceptance": accepted,
        "length": length,
        "unfinished": float((1 - accepted) ** length),
    }
