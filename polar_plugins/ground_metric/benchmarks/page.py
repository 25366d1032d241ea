"""Writes the tables of docs/ground-metric.md from the runs that `runs.py` has kept.

python polar_plugins/ground_metric/benchmarks/page.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polarprior_benchmarks.pages import Kept, Rows, told, write_tables
from runs import KEPT, RANKS
from settings import SEEDS
from solver import CLOSE

PAGE = Path(__file__).parents[1] / "docs" / "ground-metric.md"
MISSING = "not run yet"
TIMED = ("M = I", "learnt")
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
        yield (method, *(told([run[method] for run in column]) if column else MISSING for column in columns))


def matches(runs: Kept) -> Rows:
    """PUR, CMC and 1 - EER of videos."""
    figures = ["PUR", *(f"rank {rank}" for rank in RANKS), "1 - EER"]
    yield ("method", *figures)
    found = [each["accuracy"] for each in _seeds(runs, "videos, CMC")]
    for method in dict.fromkeys(name.rpartition(": ")[0] for run in found for name in run):
        named = (f"{method}: {figure}" for figure in figures)
        yield (method, *(told([run[name] for run in found]) if name in found[0] else MISSING for name in named))


def times(runs: Kept) -> Rows:
    """A problem's CPU time, under M = I and under a learnt metric."""
    yield ("solver", *(cell for where in TIMED for cell in (f"ms a problem, {where}", "times ours")))
    found = [runs.get(f"time, {where}") for where in TIMED]
    for name, method in (("ours, at once", "ours"), ("POT, `sinkhorn`", "sinkhorn"), ("POT, log", "sinkhorn_log")):
        cells = []
        for each in found:
            cells += (
                [MISSING] * 2 if each is None else [f"{each[method] * 1e3:.3g}", f"{each[method] / each['ours']:.3g}"]
            )
        yield (name, *cells)


def exactness(runs: Kept) -> Rows:
    """How far distances under a learnt metric are from POT's."""
    yield (
        "seed",
        "pairs",
        f"within {CLOSE:g} of POT's",
        "the furthest away",
        "problems of the fit that miss their tolerance",
    )
    for seed in SEEDS:
        run = runs.get(f"transport, seed {seed}")
        if run is None:
            yield (str(seed), *[MISSING] * 4)
            continue
        away = run["away"]
        within = sum(each <= CLOSE for each in away) / len(away)
        yield (str(seed), str(len(away)), f"{within:.2%}", f"{max(away):.1e}", f"{run['unsolved']:.2%}")


def faces(runs: Kept) -> Rows:
    """Rank correlations and shares of common extremes."""
    yield ("log-volumes in", "rank correlation", "common modes", "common anti-modes")
    for pair, each in (runs.get("faces") or {"pairs": {}})["pairs"].items():
        yield (pair, f"{each['spearman']:.2f}", f"{each['modes']:.0%}", f"{each['anti-modes']:.0%}")


def _seeds(runs: Kept, name: str) -> list[Kept]:
    return [runs[of] for of in (f"{name}, seed {seed}" for seed in SEEDS) if of in runs]


TABLES = {
    "images": images,
    "classes": classes,
    "matches": matches,
    "times": times,
    "exactness": exactness,
    "faces": faces,
}

if __name__ == "__main__":
    write_tables(PAGE, KEPT, TABLES)
