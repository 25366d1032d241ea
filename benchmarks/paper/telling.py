"""How results become sentences and tables of docs/paper.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from scene import interval, minus

JUDGED = "mnist:classifier"
SECOND = "mnist:encoder"

Results = dict[str, Any]


def shown(interval: dict[str, Any], digits: int = 3) -> str:
    """Mean ± half of the 95% interval."""
    return f"{interval['mean']:.{digits}f} ± {interval['half']:.{digits}f}"


def signed(interval: dict[str, Any], digits: int = 3) -> str:
    """The same with its sign."""
    return f"{interval['mean']:+.{digits}f} ± {interval['half']:.{digits}f}"


def ess(row: Results) -> str:
    """The effective sample size of a row, and whether some bank does not support its rho."""
    return f"{row['ess']:.0f}" + ("" if row["within_limits"] == 1 else " (beyond the limits)")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def edge(rows: Sequence[Results], sign: int) -> Results | None:
    """Find the row of the largest |rho| on one side that all banks support."""
    side = [row for row in rows if row["rho"] * sign > 0 and row["within_limits"] == 1]
    return max(side, key=lambda row: abs(row["rho"]), default=None)


Where = TypeVar("Where")


def chosen_elsewhere(curve: Mapping[Where, Sequence[float]]) -> list[Where]:
    """Choose for each bank the rho of the lowest mean on the other banks, so that no gain is the best of noise.

    Args:
        curve: a figure of each bank by rho, or by whatever is chosen.
    """
    banks = range(len(next(iter(curve.values()))))
    return [lowest(curve, [other for other in banks if other != index]) for index in banks]


def at_chosen(curve: Mapping[Where, Sequence[float]]) -> dict[str, Any]:
    """The figure of each bank where `chosen_elsewhere` has it."""
    return interval([curve[where][bank] for bank, where in enumerate(chosen_elsewhere(curve))])


def lowest(curve: Mapping[Where, Sequence[float]], banks: Sequence[int]) -> Where:
    """The rho, or whatever the curve is by, of the lowest mean over `banks`."""
    return min(curve, key=lambda rho: sum(curve[rho][index] for index in banks))


def mean_of(figures: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of several figures, bank by bank."""
    return interval([sum(values) / len(values) for values in zip(*(each["values"] for each in figures), strict=True)])


def gain(rows: Sequence[Results], of: Callable[[Results], dict[str, Any]]) -> dict[str, Any] | None:
    """The change from rho 0 to the best other rho, by `chosen_elsewhere`, among rows that all banks support; None
    where there is no such row.

    Args:
        rows: at several rho, 0 among them.
        of: the figure of a row that is to be low.
    """
    curve = {row["rho"]: of(row)["values"] for row in rows if row["within_limits"] == 1}
    plain = curve.pop(0.0)
    return minus(at_chosen(curve), interval(plain)) if curve else None


def in_a_line(metrics: dict[str, Any]) -> str:
    """Metrics with their intervals."""
    return ", ".join(f"{name} {shown(each)}" for name, each in metrics.items())


def told(row: Results) -> str:
    """A row in a line."""
    where = f"rho {row['rho']:g} (tilt {row['tilt']:.2f})" if "rho" in row else f"bound {row['bound']:g}"
    figures = in_a_line(row["metrics"][JUDGED])
    law = f"{row.get('space', '')} {'held' if row.get('held') else ''}"
    return f"{row['model']} {law} {where}: {figures}, {row['distinct']:.0f} distinct"


def at_equal(metric: str, row: Results, cut: Sequence[Results], judged: str = JUDGED) -> dict[str, Any] | None:
    """Compare polarity with truncation where both have as much of precision, or of recall: how much more polarity has
    of the other, bank by bank. Where polarity has more of it than any truncation, the truncation that has most is
    taken. None where in some bank polarity has less of it than any.

    Args:
        metric: the one of which both have as much.
        row: of polarity.
        cut: rows of truncation; between them lie straight lines.
        judged: the space of the metrics.
    """
    other = "recall" if metric == "precision" else "precision"
    values = [[each["metrics"][judged][name]["values"] for name in (metric, other)] for each in (row, *cut)]
    gaps = []
    for bank, (level, mine) in enumerate(zip(*values[0], strict=True)):
        points = sorted((each[0][bank], each[1][bank]) for each in values[1:])
        if level < points[0][0]:
            return None
        gaps.append(mine - float(np.interp(level, *zip(*points, strict=True))))
    return interval(gaps)


def less(first: dict[str, Any] | None, second: dict[str, Any] | None) -> dict[str, Any] | None:
    """The difference of two figures, bank by bank; None where one of them is."""
    return None if first is None or second is None else minus(first, second)


def above(figure: dict[str, Any] | None, level: float) -> dict[str, Any] | None:
    """A figure less a level, bank by bank; None where there is none."""
    return None if figure is None else interval([value - level for value in figure["values"]])


def clear(figure: dict[str, Any]) -> bool:
    """Whether the 95% interval of a figure leaves out 0."""
    return bool(abs(figure["mean"]) > figure["half"])


def gap(effect: dict[str, Any] | None) -> str:
    """What `at_equal` found, as a cell of a table."""
    return "truncation has that in too few banks" if effect is None else signed(effect)
