"""Polarity with some statistics of the image held still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from polarprior.errors import PolarPriorError, UsageError
from polarprior.law.weights import Weights

HELD_WITHIN = 1e-4
"""Standard deviations by which a held moment may still be off."""


@dataclass(frozen=True, eq=False)
class Held:
    """exp(-lambda · phi(s)), phi the statistics and their squares, that keeps the moments of s at the prior's.

    Attributes:
        names: of the m statistics.
        centre, scale: [m], mean and standard deviation of the statistics under the prior.
        multipliers: lambda, [2 m].
    """

    names: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray
    multipliers: np.ndarray

    def penalty(self, statistics: np.ndarray) -> np.ndarray:
        """lambda · phi(s) of statistics [n, m]: float64 [n]."""
        return _moments_of(statistics, self.centre, self.scale) @ self.multipliers

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "names": list(self.names),
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "lambda": self.multipliers.tolist(),
        }


class Hold:
    """Statistics of a bank's rows, whose means and second moments must not move.

    Args:
        names: of the statistics.
        values: of the rows, [N, m]; the rows are draws from the prior.
        shares: what the rows weigh without polarity, [N], summing to 1; None where they all weigh the same.

    Raises:
        UsageError: a statistic that is the same for all rows.
    """

    def __init__(self, names: tuple[str, ...], values: np.ndarray, shares: np.ndarray | None = None):
        self.names = names
        self.values = values
        self._centre, self._scale = mean_and_std(values, shares)
        for name, scale in zip(names, self._scale, strict=True):
            if not scale > 0:
                raise UsageError(f"hold: {name} is the same for all latents of the bank", "leave it out")
        self._phi = _moments_of(values, self._centre, self._scale)
        self._phi_of_prior = mean_and_std(self._phi, shares)[0]

    def solve(self, weights: Weights) -> tuple[Held, Weights]:
        """The law closest to `weights` (in Kullback-Leibler divergence) with the moments that the prior has.

        That law is exp(-lambda · phi) times `weights` (Csiszár, I-divergence geometry, 1975); lambda minimises the
        convex log sum of w exp(-lambda · (phi - mean phi)).

        Returns:
            lambda, and the weights that it gives.

        Raises:
            PolarPriorError: no weights of these rows keep the moments.
        """
        from scipy.optimize import minimize  # half a second to import

        used = np.isfinite(weights.log)
        log_w, phi = weights.log[used], self._phi[used] - self._phi_of_prior

        def tilted(multipliers: np.ndarray) -> np.ndarray:
            tilt = log_w - phi @ multipliers
            return np.exp(tilt - logsumexp(tilt))

        def hessian(multipliers: np.ndarray) -> np.ndarray:
            w = tilted(multipliers)
            mean = w @ phi
            return (phi * w[:, None]).T @ phi - np.outer(mean, mean)

        found = minimize(
            lambda multipliers: (logsumexp(log_w - phi @ multipliers), -(tilted(multipliers) @ phi)),
            np.zeros(phi.shape[1]),
            jac=True,
            hess=hessian,
            method="trust-exact",
            options={"gtol": HELD_WITHIN / 100, "maxiter": 200},
        )
        if not np.abs(tilted(found.x) @ phi).max() <= HELD_WITHIN:
            raise PolarPriorError(
                f"hold: no weights of these {used.sum()} latents keep {', '.join(self.names)} at this rho",
                "use a smaller rho, hold less, or build a larger bank",
            )
        log = weights.log - self._phi @ found.x
        log -= logsumexp(log)
        return Held(self.names, self._centre, self._scale, found.x), Weights(log, np.exp(log))


@dataclass(frozen=True)
class Moment:
    """A statistic of the image, under the prior and under the polarity prior, as the bank's weights say.

    Attributes:
        name: of the statistic.
        held: whether it was asked to stay.
        prior_mean, prior_std: under the prior.
        mean, std: under the polarity prior.
    """

    name: str
    held: bool
    prior_mean: float
    prior_std: float
    mean: float
    std: float

    def __str__(self) -> str:
        return f"{self.name} {self.prior_mean:.3f} ± {self.prior_std:.3f} -> {self.mean:.3f} ± {self.std:.3f}"


def moments(
    names: list[str],
    values: np.ndarray,
    weights: Weights,
    held: tuple[str, ...],
    shares: np.ndarray | None = None,
) -> tuple[Moment, ...]:
    """What the weights [N] do to statistics [N, m] of the rows, from what the prior's `shares` (even weights where
    None) have: those held first, then what still moved."""
    before, after = mean_and_std(values, shares), mean_and_std(values, weights.values / weights.values.sum())
    found = [
        Moment(name, name in held, *map(float, each)) for name, *each in zip(names, *before, *after, strict=True)
    ]
    return tuple(sorted(found, key=lambda moment: not moment.held))


def mean_and_std(values: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation along the first axis, by weights [N] that sum to 1, even ones where None."""
    if weights is None:
        return values.mean(0), values.std(0)
    mean = weights @ values
    return mean, np.sqrt(weights @ (values - mean) ** 2)


def _moments_of(values: np.ndarray, centre: np.ndarray, scale: np.ndarray) -> np.ndarray:
    standard = (values - centre) / scale
    return np.concatenate([standard, standard**2], axis=1)
