"""What a sweep has found, in a sentence: whether any rho is better than none."""

from __future__ import annotations

from collections.abc import Sequence

from polarprior.saying import with_error
from polarprior.sweeps.measuring import Measuring, Spread
from polarprior.sweeps.sweep import SweepRow

LOWER_IS_BETTER = ("fid", "kid", "transport")
CONFIDENCE = 0.95


def verdict(rows: Sequence[SweepRow], space: str, metric: str, measuring: Measuring) -> str:
    """Say which rho of a sweep does best by a metric, against the same draws without polarity, or that none does.

    A row counts where its effect over the sets is larger than its error: a Student interval that holds for all the
    rows together (Bonferroni), so that of many rho none looks better by luck.

    Args:
        rows: of the sweep; those of a rho other than 0 within the limits are judged.
        space, metric: what is compared.
        measuring: how it was.
    """
    judged = [row for row in rows if row.effect and row.diagnostics and row.diagnostics.within_limits]
    about = f"{metric} in {space}, {measuring.sets} sets of {measuring.samples:,} draws"
    if not judged:
        return f"No rho was compared with 0 ({about})."
    if measuring.sets < 2:
        return f"One set of draws does not say whether a rho beats 0 ({about}): take several."
    sign = -1 if metric in LOWER_IS_BETTER else 1
    better = {id(row): sign * row.effect[space][metric].mean for row in judged}
    best = max(judged, key=lambda row: better[id(row)])
    assert best.diagnostics is not None
    effect, report = best.effect[space][metric], best.diagnostics
    half = _half(effect, len(judged))
    if better[id(best)] <= half:
        return (
            f"No rho of the {len(judged)} tried beats 0 here ({about}); the best, {report.rho:.3g}, changes it by "
            + f"{with_error(effect.mean, half, '+')}."
        )
    verb = "lowers" if sign < 0 else "raises"
    found = f"rho {report.rho:.3g} (tilt {report.tilt:.2f}) {verb} {metric} by {with_error(abs(effect.mean), half)}"
    cost = _of_repetitions(best, rows, space, metric, sign)
    return f"{found} ({about}).{cost}{_of_bias(metric, space, abs(effect.mean), measuring)}"


def _of_repetitions(best: SweepRow, rows: Sequence[SweepRow], space: str, metric: str, sign: int) -> str:
    """A sentence where a row is better than its control and yet no better than rho 0, which repeats fewer latents."""
    plain = [row for row in rows if row.diagnostics and row.diagnostics.rho == 0 and row.trunc == best.trunc]
    if not plain:
        return ""
    found, at_0 = (row.metrics[space][metric].mean for row in (best, plain[0]))
    if sign * (found - at_0) > 0:
        return ""
    return (
        f" That is against the same repetitions without polarity: from this bank it is {found:.3g}, and at rho 0, "
        f"which repeats fewer latents, {at_0:.3g}. A larger bank repeats less."
    )


def _half(effect: Spread, judged: int) -> float:
    """Half the width of the interval of an effect that holds for so many rows together."""
    from scipy.stats import t

    n = len(effect.values)
    return float(t.ppf(1 - (1 - CONFIDENCE) / (2 * judged), n - 1)) * effect.std / n**0.5


def _of_bias(metric: str, space: str, difference: float, measuring: Measuring) -> str:
    """A sentence where a Frechet distance of so few draws is too high by more than the difference.

    Of two samples of one law the distance is about c (1 / n + 1 / m); c comes from the halves of the reference.
    """
    if metric != "fid":
        return ""
    count, samples = measuring.judge.count, measuring.samples
    bias = measuring.judge.halves[space][metric] * count / 4 * (1 / samples + 1 / count)
    if bias <= difference:
        return ""
    return (
        f" With {samples:,} draws every fid is too high by about {bias:.2g}, more than that: take more draws a set."
    )
