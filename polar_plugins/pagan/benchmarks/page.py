"""Writes the tables of docs/pagan.md from the runs that `runs.py` has kept.

python polar_plugins/pagan/benchmarks/page.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polarprior_benchmarks.pages import Kept, Rows, told, write_tables
from polarprior_pagan.matching import MATCHINGS, MINIMAX, NON_SATURATING
from polarprior_pagan.recipe import Recipe
from runs import (
    GAINS,
    HALF,
    ITERATIONS,
    KEPT,
    METRICS,
    MODELS,
    OF_FACES,
    SEEDS,
    STEEP,
    STEPS,
    TABLE_2,
    TABLE_3,
    at,
    name_of,
    of_matching,
    ordering,
)

PAGE = Path(__file__).parents[1] / "docs" / "pagan.md"
HEAD = ("seeds", "FID", "IS", "RID", "agreement", "RMSE", "CPU min")
MISSING = "not run yet"


def found(runs: Kept, kind: str, model: str, changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs over seeds."""
    names = [name_of(kind, model, changes, seed) for seed in SEEDS]
    return [runs[name] for name in names if name in runs]


def numbers(of: list[dict[str, Any]]) -> tuple[str, ...]:
    """Cells below `HEAD`."""
    if not of:
        return ("0", *[MISSING] * (len(METRICS) + 1))
    means = [told([run["metrics"][name] for run in of]) for name in METRICS]
    return (str(len(of)), *means, f"{sum(run['cpu_seconds'] for run in of) / len(of) / 60:.0f}")


def halfway(runs: Kept, model: str) -> list[dict[str, Any]]:
    """Runs on grey digits, at half their iterations."""
    return [at(run, HALF["iterations"]) for run in found(runs, "grey", model, {})]


def three(runs: Kept) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """The models of Table 3, by images and iterations."""
    return {
        f"grey, {ITERATIONS:,}": {model: found(runs, "grey", model, {}) for model in MODELS},
        f"grey, {HALF['iterations']:,}": {model: halfway(runs, model) for model in MODELS},
        f"coloured, {HALF['iterations']:,}": {model: found(runs, "coloured", model, HALF) for model in MODELS},
        f"faces, {OF_FACES['iterations']:,}": {model: found(runs, "faces", model, OF_FACES) for model in MODELS},
    }


def table_3(runs: Kept) -> Rows:
    """Grey digits, digits in colour, faces; the paper's figures."""
    yield ("images, iterations, model", *HEAD)
    for what, models in three(runs).items():
        for model, of in models.items():
            yield (f"{what}: {model}", *numbers(of))
    for model, (fid, score, rid) in TABLE_3.items():
        yield (f"*the paper's, CIFAR-10, {model}*", "", f"*{fid:g}*", f"*{score:g}*", f"*{rid:g}*", "", "", "")


def order(runs: Kept) -> Rows:
    """Differences over seeds that have both."""
    yield ("the first less the second", *(cell for what in three(runs) for cell in (what, "")), "*the paper's*")
    for each in zip(*map(ordering, three(runs).values()), strict=True):
        cells = [
            cell
            for one in each
            for cell in ((MISSING if one.mean is None else f"{one.mean:.3g} ± {one.half:.2g}"), one.verdict)
        ]
        one = each[0]
        yield (f"{one.metric.upper()}: {one.first}, {one.second}", *cells, f"*{one.theirs:.3g}*")


def norms(runs: Kept) -> Rows:
    """Spectral norms of the discriminators' layers."""
    yield ("spectral norm, model", *HEAD)
    for model in ("PAGAN", "PAGAN-NOAUG"):
        yield (f"{Recipe.gain:g}, {model}", *numbers(halfway(runs, model)))
        for gain in GAINS:
            runs_of = found(runs, "grey", model, {**HALF, "gain": gain})
            yield (f"{f'{gain:g}' if gain else 'none'}, {model}", *numbers(runs_of))


def budget(runs: Kept) -> Rows:
    """RID and FID on the way, means over seeds."""
    of = {model: found(runs, "grey", model, {}) for model in MODELS}
    yield ("iterations", *(f"{model}: RID, FID" for model in MODELS))
    for place in (row[0] for row in next((each[0]["curve"] for each in of.values() if each), [])):
        seen = {model: [at(run, place)["metrics"] for run in each] for model, each in of.items()}
        cells = [
            ", ".join(f"{sum(glance[name] for glance in each) / len(each):.3g}" for name in ("rid", "fid"))
            if each
            else MISSING
            for each in seen.values()
        ]
        yield (str(place), *cells)


def matchings(runs: Kept) -> Rows:
    """Every matching with its defaults; of the minimax maker one seed."""
    yield ("matching, maker", *HEAD)
    for matching in MATCHINGS:
        own = halfway(runs, "PAGAN") if matching == "gan" else found(runs, "grey", "PAGAN", of_matching(matching))
        yield (matching if matching == "wasserstein" else f"{matching}, {NON_SATURATING}", *numbers(own))
        if matching != "wasserstein":
            run = runs.get(name_of("grey", "PAGAN", of_matching(matching, MINIMAX), 0))
            yield (f"{matching}, {MINIMAX}", *numbers([] if run is None else [run]))
        if matching == "gan":
            steps = found(runs, "grey", "PAGAN", {**HALF, "judge_steps": STEPS})
            yield (f"gan, {NON_SATURATING}, {STEPS} steps of the discriminators", *numbers(steps))
        if matching in STEEP:
            steep = found(runs, "grey", "PAGAN", {**HALF, "matching": matching})
            yield (f"{matching}, {NON_SATURATING}, spectral norm {Recipe.gain:g}", *numbers(steep))


def table_2(runs: Kept) -> Rows:
    """What can be asked of a reconstruction, and what two models give."""
    yield ("model", "RMSE", "RID", "agreement", "*the paper's RMSE, RID on CIFAR-10*")
    for name in TABLE_2:
        run = runs.get(name_of("grey", "PAGAN", {}, 0) if name == "PAGAN" else name)
        theirs = ", ".join(f"*{each:g}*" for each in TABLE_2[name])
        if run is None:
            yield (name, *[MISSING] * 3, theirs)
            continue
        seen = run["metrics"]
        yield (name, f"{seen['rmse']:.1f}", f"{seen['rid']:.3f}", f"{seen['agreement']:.3f}", theirs)


if __name__ == "__main__":
    tables = {
        "table 3": table_3,
        "ordering": order,
        "norms": norms,
        "budget": budget,
        "matchings": matchings,
        "table 2": table_2,
    }
    write_tables(PAGE, KEPT, tables)
