"""Writes the tables of docs/ground-metric.md from the runs that `runs.py` has kept.

python polar_plugins/ground_metric/benchmarks/page.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polarprior_benchmarks.pages import Kept, Rows, told, write_tables
from runs import KEPT, RANKS
from settings import SEEDS

PAGE = Path(__file__).parents[1] / "docs" / "ground-metric.md"
SETS = ("digits, aligned", "digits, shifted", "mnist, aligned", "mnist, shifted")


def images(runs: Kept) -> Rows:
    """A row a method, a column a set."""
    return _by_method(runs, SETS)


def classes(runs: Kept) -> Rows:
    """The same of videos."""
    return _by_method(runs, ["videos, class"])


def _by_method(runs: Kept, sets: Sequence[str]) -> Rows:
    yield ("method", *sets)
    columns = [[each["accuracy"] for each in _seeds(runs, name)] for name in sets]
    methods = dict.fromkeys(method for column in columns for run in column for method in run)
    for method in sorted(methods, key=lambda each: (each.startswith("W"), each if each.startswith("W") else "")):
        yield (method, *(told([run[method] for run in column]) if column else "not run yet" for column in columns))


def matches(runs: Kept) -> Rows:
    """PUR and CMC of videos."""
    yield ("method", "PUR", *(f"rank {rank}" for rank in RANKS))
    found = [each["accuracy"] for each in _seeds(runs, "videos, CMC")]
    for method in dict.fromkeys(name.rpartition(": ")[0] for run in found for name in run):
        figures = ["PUR", *(f"rank {rank}" for rank in RANKS)]
        yield (method, *(told([run[f"{method}: {figure}"] for run in found]) for figure in figures))


def times(runs: Kept) -> Rows:
    """A problem's CPU time."""
    yield ("solver", "ms a problem", "times ours")
    found = runs.get("time")
    for name, method in (("ours, at once", "ours"), ("POT, `sinkhorn`", "sinkhorn"), ("POT, log", "sinkhorn_log")):
        if found is None:
            yield (name, "not run yet", "")
        else:
            yield (name, f"{found[method] * 1e3:.3g}", f"{found[method] / found['ours']:.3g}")


def faces(runs: Kept) -> Rows:
    """Rank correlations and shares of common extremes."""
    yield ("log-volumes in", "rank correlation", "common modes", "common anti-modes")
    for pair, each in (runs.get("faces") or {"pairs": {}})["pairs"].items():
        yield (pair, f"{each['spearman']:.2f}", f"{each['modes']:.0%}", f"{each['anti-modes']:.0%}")


def _seeds(runs: Kept, name: str) -> list[Kept]:
    return [runs[of] for of in (f"{name}, seed {seed}" for seed in SEEDS) if of in runs]


TABLES = {"images": images, "classes": classes, "matches": matches, "times": times, "faces": faces}

if __name__ == "__main__":
    write_tables(PAGE, KEPT, TABLES)
