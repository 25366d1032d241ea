"""Writes the tables of docs/performance.md on the five model plugins, from the rows of ``five_models.py --json``.

python benchmarks/five_models_page.py
"""

from __future__ import annotations

from pathlib import Path

from five_models import LARGE, MODELS
from polarprior_benchmarks.pages import Kept, Rows, write_tables

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
JSON = Path(__file__).parent / "results" / "five_models.json"


def biggan(kept: Kept) -> Rows:
    """What folding changes."""
    found = {row["what"]: row["figure"] for row in kept.get("rows", ())}
    yield ("", "before", "after")
    for what, shown in (("seconds to trace", "to trace, CPU s"), ("a tangent", "a tangent, forward passes")):
        yield (shown, *(f"{found[f'{LARGE}: {what}, {when}']:.3g}" for when in ("before", "after")))


def five(kept: Kept) -> Rows:
    """A row a model."""
    rows = {row["what"]: row for row in kept.get("rows", ())}
    yield ("", "time a latent, after/before", "", "log singular values apart")
    for name in MODELS:
        time, apart = (
            rows[f"{name}: {what}"] for what in ("time a latent, after/before", "log singular values apart")
        )
        yield (name, f"{time['figure']:.3f}", time["detail"], f"{apart['figure']:.1g}")


if __name__ == "__main__":
    write_tables(PAGE, JSON, {"biggan": biggan, "five": five})
