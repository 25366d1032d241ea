"""How results become sentences and tables of docs/paper.md."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from scene import interval

JUDGED = "mnist:classifier"
SECOND = "mnist:encoder"

Results = dict[str, Any]


def verdict(effect: dict[str, Any], expected: int) -> str:
    """Judge an interval by the sign that the paper claims."""
    low, high = effect["mean"] - effect["half"], effect["mean"] + effect["half"]
    if low <= 0 <= high:
        return "undecided"
    return "agrees" if (low > 0) == (expected > 0) else "disagrees"


def side(row: Results, effect: dict[str, Any], expected: int) -> str:
    """`verdict` of a row at rho != 0, where all banks support that rho."""
    if row["rho"] == 0:
        return ""
    return verdict(effect, expected) if row["within_limits"] == 1 else "beyond the limits"


def shown(interval: dict[str, Any], digits: int = 3) -> str:
    """Mean ± half of the 95% interval."""
    return f"{interval['mean']:.{digits}f} ± {interval['half']:.{digits}f}"


def signed(interval: dict[str, Any], digits: int = 3) -> str:
    """The same with its sign."""
    return f"{interval['mean']:+.{digits}f} ± {interval['half']:.{digits}f}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def edge(rows: Sequence[Results], sign: int) -> Results | None:
    """Find the row of the largest |rho| on one side that all banks support."""
    side = [row for row in rows if row["rho"] * sign > 0 and row["within_limits"] == 1]
    return max(side, key=lambda row: abs(row["rho"]), default=None)


def in_a_line(metrics: dict[str, Any]) -> str:
    """Metrics with their intervals."""
    return ", ".join(f"{name} {shown(each)}" for name, each in metrics.items())


def told(row: Results) -> str:
    """A row in a line."""
    where = f"rho {row['rho']:g} (tilt {row['tilt']:.2f})" if "rho" in row else f"bound {row['bound']:g}"
    figures = in_a_line(row["metrics"][JUDGED])
    law = f"{row.get('space', '')} {'held' if row.get('held') else ''}"
    return f"{row['model']} {law} {where}: {figures}, {row['distinct']:.0f} distinct"


def at_equal_precision(row: Results, cut: Sequence[Results], judged: str = JUDGED) -> tuple[str, str]:
    """Recall of a row of polarity above that of truncation where it has the same precision, bank by bank, by straight
    lines between the truncations `cut`, in the space `judged`; and whether it is above, undecided where some banks
    have no such point."""
    values = [[each["metrics"][judged][name]["values"] for name in ("precision", "recall")] for each in (row, *cut)]
    gaps = []
    for bank, (precision, recall) in enumerate(zip(*values[0], strict=True)):
        points = sorted((each[0][bank], each[1][bank]) for each in values[1:])
        for (left, low), (right, high) in pairwise(points):
            if left <= precision <= right and right > left:
                gaps.append(recall - low - (high - low) * (precision - left) / (right - left))
                break
    banks = len(values[0][0])
    if len(gaps) < banks:
        return "", f"undecided: truncation has that precision in {len(gaps)} of {banks} banks"
    gap = interval(gaps)
    return signed(gap), verdict(gap, 1)
