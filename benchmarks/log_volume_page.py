"""Writes the tables of docs/performance.md from the rows that ``log_volume.py --json`` has written.

python benchmarks/log_volume_page.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from log_volume import NETWORKS
from polarprior_benchmarks.pages import Kept, Rows, write_tables

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
JSON = Path(__file__).parent / "results" / "log_volume.json"
FIGURES = {
    "passes": "passes",
    "CPU ms": "CPU ms",
    "spread": "spread",
    "faster": "times faster",
    "error std": "error std",
    "Spearman": "Spearman",
    "largest": "largest error",
    "offset": "offset",
}
"""The figures of an estimator's row, and what the page calls them."""


def estimators(network: str, kept: Kept) -> Rows:
    """A row an estimator."""
    yield ("", *FIGURES.values())
    for estimator, row in _rows(kept, network, goals=False):
        yield (estimator, *(row["detail"][figure] for figure in FIGURES))


def goals(kept: Kept) -> Rows:
    """What was reached of what was asked for."""
    yield ("", "", "goal", "")
    for network in NETWORKS:
        for what, row in _rows(kept, network, goals=True):
            unit, verdict = row["unit"], "holds" if row["holds"] else "missed"
            yield (f"{network}: {what}", f"{row['figure']:.2f} {unit}", f"{row['goal']:.1f}", verdict)


def _rows(kept: Kept, network: str, goals: bool) -> list[tuple[str, dict[str, Any]]]:
    named = [(*row["what"].split(": ", 1), row) for row in kept.get("rows", ()) if ("goal" in row) == goals]
    return [(what, row) for of, what, row in named if of == network]


TABLES: dict[str, Callable[[Kept], Rows]] = {name: partial(estimators, name) for name in NETWORKS} | {"goals": goals}

if __name__ == "__main__":
    write_tables(PAGE, JSON, TABLES)
