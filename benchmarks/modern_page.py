"""Writes the tables of docs/performance.md on networks of today, from the rows of ``modern.py``, ``chain.py`` and
``compiled.py``, each with ``--json``.

python benchmarks/modern_page.py
"""

from __future__ import annotations

from pathlib import Path

from networks_of_today import KINDS
from polarprior_benchmarks.pages import Kept, Rows, write_tables

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
RESULTS = Path(__file__).parent / "results"


def modern(kept: Kept) -> Rows:
    """A row a network."""
    rows = {row["what"]: row for row in kept.get("rows", ())}
    yield (
        "",
        "a tangent, forward passes",
        "goal",
        "log singular values off, nats",
        "adjoint off",
        "memory, of plain",
        "",
    )
    for name, kind in KINDS.items():
        if f"{name}: a tangent" in rows:
            cost, off, adjoint, memory = (
                rows[f"{name}: {what}"]["figure"] for what in ("a tangent", "off", "adjoint", "memory")
            )
            traced = rows[f"{name}: traced"]["detail"]
            yield (name, f"{cost:.2f}", f"{kind.most:g}", f"{off:.0e}", f"{adjoint:.0e}", f"{memory:.2f}", traced)


def listed(kept: Kept) -> Rows:
    """A row a figure."""
    yield ("", "", "goal", "")
    for row in kept.get("rows", ()):
        yield (row["what"], f"{row['figure']:.3g} {row['unit']}".strip(), row["goal"], row["detail"])


if __name__ == "__main__":
    for name, table in (("modern", modern), ("chain", listed), ("compiled", listed)):
        write_tables(PAGE, RESULTS / f"{name}.json", {name: table})
