"""How far rho may go on a bank: the automatic limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from polarprior.errors import PolarPriorError
from polarprior.law.hold import Hold
from polarprior.law.psis import TRUSTED_K_HAT, largest_weights, pareto_k_hat, tail_k_hat
from polarprior.law.weights import Weights, effective_sample_size, polarity_weights

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank

STEPS, HALVINGS = 60, 16
HELD_STEPS, HELD_HALVINGS = 15, 5
SMALLEST = 25
"""Rows below which the tail of the weights can't be judged, so that no rho but 0 is supported."""
SAME_VOLUME = 1e-6
"""Log-volumes that differ by less, relative to their size, are all the same: polarity changes nothing."""


class Limits(NamedTuple):
    """The largest rho a bank supports on each side: lower <= 0 <= upper."""

    lower: float
    upper: float

    def __contains__(self, rho: object) -> bool:
        return isinstance(rho, int | float) and self.lower <= rho <= self.upper

    def __str__(self) -> str:
        return f"[{floor_to(self.lower):g}, {floor_to(self.upper):g}]"


def rho_limits(
    log_volume: np.ndarray,
    draws: int = 0,
    hold: Hold | None = None,
    bounded: bool = False,
    shares: np.ndarray | None = None,
) -> Limits:
    """The interval around 0 in which every rho has k-hat < 0.7 and ESS >= max(100, draws / 10).

    Args:
        log_volume: l of the bank's rows, [N]; -inf rows are left out.
        draws: how many latents will be drawn; 0 where that is not known.
        hold: statistics that are held; the limits are those of the weights that hold them, on a coarser grid.
        bounded: l is clamped; a bounded weight has a variance at any rho, so that ESS alone decides.
        shares: what the rows weigh without polarity, [N]; None where they all weigh the same. With these the grid is
            the coarser one as well.

    A bank of under 400 rows is asked for N / 4 instead of 100. k-hat is noisy: the first rho where it fails ends the
    interval, whatever comes behind it; it is sought on a grid of |rho| · std(l) up to twice sqrt(2 ln N), where one
    latent takes all, and then bisected. ESS falls with |rho|, so it is bisected at once. Where l is constant the
    limits are infinite.
    """
    finite = log_volume[np.isfinite(log_volume)]
    needed = needed_ess(finite.size, draws)
    if finite.size < max(SMALLEST, needed):
        return Limits(0.0, 0.0)
    spread = float(finite.std())
    if spread < SAME_VOLUME * max(1.0, float(np.abs(finite).max())):
        return Limits(-np.inf, np.inf)
    furthest = 2 * np.sqrt(2 * np.log(finite.size)) / spread
    if hold is not None or shares is not None:

        def weights_at(rho: float) -> Weights:
            weights = polarity_weights(log_volume, rho, shares)
            return weights if hold is None else hold.solve(weights)[1]

        idle = bounded and hold is None
        return Limits(*(sign * _last_weighed(weights_at, sign, needed, furthest, idle) for sign in (-1, 1)))
    step = furthest / STEPS

    def last_trusted(sign: int) -> float:
        tilted = sign * finite
        rho = furthest if bounded else last_k_hat(largest_weights(tilted))
        return sign * _bisect(lambda rho: effective_sample_size(rho * tilted) >= needed, 0.0, rho)

    def last_k_hat(tail: np.ndarray) -> float:
        steps = 1
        while tail_k_hat(steps * step * tail) < TRUSTED_K_HAT and steps < STEPS:
            steps += 1
        return _bisect(lambda rho: tail_k_hat(rho * tail) < TRUSTED_K_HAT, (steps - 1) * step, steps * step)

    return Limits(last_trusted(-1), last_trusted(1))


def _last_weighed(
    weights_at: Callable[[float], Weights], sign: int, needed: float, furthest: float, bounded: bool
) -> float:
    """The largest |rho| of one sign up to which these weights can be trusted; by their ESS alone where `bounded`."""

    def trusted(size: float) -> bool:
        try:
            weights = weights_at(sign * size)
        except PolarPriorError:  # nothing keeps the moments
            return False
        used = weights.log[np.isfinite(weights.log)]
        return weights.ess >= needed and (bounded or pareto_k_hat(used) < TRUSTED_K_HAT)

    steps = 1
    while trusted(steps * furthest / HELD_STEPS) and steps < HELD_STEPS:
        steps += 1
    return _bisect(trusted, (steps - 1) * furthest / HELD_STEPS, steps * furthest / HELD_STEPS, HELD_HALVINGS)


def _bisect(holds: Callable[[float], bool], good: float, bad: float, halvings: int = HALVINGS) -> float:
    """The last place between `good` and `bad` where it holds; `bad` itself where it holds there."""
    if holds(bad):
        return bad
    for _ in range(halvings):
        middle = (good + bad) / 2
        good, bad = (middle, bad) if holds(middle) else (good, middle)
    return good


def limits_on(bank: Bank, k: int | None = None, label: int | None = None, draws: int = 0) -> Limits:
    """`rho_limits` of a bank, or of the class `label` of it, which remembers them."""
    k = bank.info.k if k is None else k
    needed = needed_ess(len(bank.rows_of(label)), draws)

    def compute() -> np.ndarray:
        return np.array(rho_limits(bank.log_volume(k)[bank.rows_of(label)], draws))

    return Limits(*bank.remember(f"limits-k{k}-class{label}-ess{needed:g}", compute, length=2).tolist())


def needed_ess(rows: int, draws: int) -> float:
    """The ESS that a bank of `rows` is asked for, for `draws` draws: max(min(100, rows / 4), draws / 10)."""
    return max(min(100.0, rows / 4), draws / 10)


def floor_to(rho: float, digits: int = 2) -> float:
    """rho rounded towards 0 to `digits` significant digits, so that what is shown is still inside.

    >>> floor_to(-0.1189), floor_to(0.2876)
    (-0.11, 0.28)
    """
    if rho == 0 or not np.isfinite(rho):
        return rho
    scale = 10 ** (digits - 1 - int(np.floor(np.log10(abs(rho)))))
    return float(np.trunc(rho * scale) / scale)
