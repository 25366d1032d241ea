"""How results become sentences and tables of docs/paper.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

JUDGED = "mnist:classifier"
SECOND = "mnist:encoder"

Results = dict[str, Any]


def verdict(effect: dict[str, Any], expected: int) -> str:
    """Of an interval against the sign that the paper's claim has."""
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
    """Of rows at rho, the one of the largest |rho| on a side that all banks support."""
    side = [row for row in rows if row["rho"] * sign > 0 and row["within_limits"] == 1]
    return max(side, key=lambda row: abs(row["rho"]), default=None)


def told(row: Results) -> str:
    """A row in a line."""
    where = f"rho {row['rho']:g} (tilt {row['tilt']:.2f})" if "rho" in row else f"bound {row['bound']:g}"
    seen = row["metrics"][JUDGED]
    figures = ", ".join(f"{name} {each['mean']:.3f} ± {each['half']:.3f}" for name, each in seen.items())
    law = f"{row.get('space', '')} {'held' if row.get('held') else ''}"
    return f"{row['model']} {law} {where}: {figures}, {row['distinct']:.0f} distinct"
