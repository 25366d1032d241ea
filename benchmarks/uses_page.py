"""Writes the tables of docs/uses.md from the runs that `uses.py` has kept.

python benchmarks/uses_page.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.append(str(Path(__file__).parent / "uses"))
sys.path.append(str(Path(__file__).parent / "paper"))

import artefacts
import memorised
import numpy as np
import rare_samples
from claims import Claim, Part, verdicts
from polarprior_benchmarks.pages import fill_tables
from scene import interval
from telling import above, less, signed

PAGE = Path(__file__).parents[1] / "docs" / "uses.md"
KEPT = Path(__file__).parent / "results" / "uses.json"
Line = tuple[str, ...]
MARGIN = 0.02
"""What an AUC may be lower, to be about as good."""
Runs = dict[str, Any]


def figure(runs: Runs, use: ModuleType, of: str, key: str) -> dict[str, Any] | None:
    """A figure of all runs of a use; None where a run is missing, or has none since there was nothing to compare.

    Args:
        runs: that have been made.
        use: the module that makes them.
        of: what the runs are of: a set of training digits, or a generator.
        key: the figure.
    """
    found = [runs.get(use.name_of(of, index), {}).get(key, float("nan")) for index in range(use.SETS)]
    return None if np.isnan(found).any() else interval(found)


def expected() -> dict[str, list[str]]:
    """The names of all runs, by use."""
    sets = {
        "a": (rare_samples.name_of, [*rare_samples.WAYS, rare_samples.REAL], rare_samples.SETS),
        "b": (artefacts.name_of, artefacts.MODELS, artefacts.SETS),
        "c": (memorised.name_of, memorised.STEPS, memorised.SETS),
    }
    return {
        use: [name_of(of, index) for of in each for index in range(n)] for use, (name_of, each, n) in sets.items()
    }


def made(runs: Runs) -> Iterator[Line]:
    """What of the runs has been made, and what it took."""
    yield "use", "runs", "of", "CPU minutes"
    for use, names in expected().items():
        there = [runs[name] for name in names if name in runs]
        minutes = sum(each["cpu_seconds"] for each in there) / 60
        yield use, str(len(there)), str(len(names)), f"{minutes:.0f}"


def _percent(found: dict[str, Any] | None, change: bool = False) -> str:
    if found is None:
        return "not run yet"
    return f"{100 * found['mean']:{'+' if change else ''}.2f} ± {100 * found['half']:.2f}"


def rare(runs: Runs) -> Iterator[Line]:
    """Accuracies in percent, and their differences to the prior's."""
    heads = ("distinct digits", "accuracy, %", "less the prior's", "on the rarest tenth, %", "less the prior's")
    yield "training digits", *heads
    for way in [*rare_samples.WAYS, rare_samples.REAL]:
        distinct, cells = figure(runs, rare_samples, way, "distinct"), []
        for key in ("accuracy", "rarest"):
            found, prior = (figure(runs, rare_samples, each, key) for each in (way, rare_samples.PRIOR))
            cells += [_percent(found), "" if way == rare_samples.PRIOR else _percent(less(found, prior), True)]
        yield way, "" if distinct is None else f"{distinct['mean']:,.0f}", *cells


def bad(runs: Runs) -> Iterator[Line]:
    """AUC of each score, by generator."""
    yield "generator", "bad pictures, %", *artefacts.SCORES
    for model in artefacts.MODELS:
        cells = []
        for score in artefacts.SCORES:
            found = figure(runs, artefacts, model, score)
            cells.append("" if found is None else f"{found['mean']:.3f} ± {found['half']:.3f}")
        yield model, _percent(figure(runs, artefacts, model, "bad")), *cells


def repeated(runs: Runs) -> Iterator[Line]:
    """AUC of each score, by network."""
    names = ("log-volume", "nearest training digit", "beside the nearest unseen", "little ink")
    yield "network", "memorised draws, %", *(f"{each}: AUC" for each in names)
    for network in memorised.STEPS:
        there = figure(runs, memorised, network, "memorised")
        found = [figure(runs, memorised, network, name) for name in names]
        missing = "not run yet" if there is None else "none to find"
        cells = [missing if each is None else f"{each['mean']:.3f} ± {each['half']:.3f}" for each in found]
        yield network, _percent(there), *cells


def claims(runs: Runs) -> list[Claim]:
    """What one would hope for, use by use."""
    ways, held = ("tilt 0.5", "tilt 1", "tilt 0.5, online"), ("tilt 0.5, contrast and brightness held",)

    def against(other: str, key: str, names: Sequence[str]) -> tuple[Part, ...]:
        return tuple(
            Part(
                f"{way}, less {other}",
                less(figure(runs, rare_samples, way, key), figure(runs, rare_samples, other, key)),
                1,
            )
            for way in names
        )

    models = artefacts.MODELS
    volume = {model: figure(runs, artefacts, model, "log-volume") for model in models}
    rivals = {
        f"{model}, {score}": (volume[model], figure(runs, artefacts, model, score))
        for model in models
        for score in artefacts.SCORES[1:]
        if (model, score) not in artefacts.WITHOUT
    }
    found, nearest_one = (
        figure(runs, memorised, "flow", score) for score in ("log-volume", "nearest training digit")
    )
    return [
        Claim(
            "a",
            "",
            "digits drawn at rho > 0 teach a classifier more about rare ones than the prior's",
            "accuracy on the rarest tenth",
            against("prior", "rarest", ways),
        ),
        Claim(
            "a",
            "",
            "so do digits drawn at rho > 0 with contrast and brightness held",
            "accuracy on the rarest tenth",
            against("prior", "rarest", held),
        ),
        Claim(
            "a",
            "",
            "digits drawn at rho > 0 teach it more about them than rejection by a discriminator",
            "accuracy on the rarest tenth",
            against("discriminator rejection", "rarest", ways),
        ),
        Claim(
            "a",
            "",
            "digits drawn at rho < 0 teach it more about all digits than truncated ones",
            "accuracy on all test digits",
            against("truncated to ±1", "accuracy", ("tilt -0.5",)),
        ),
        Claim(
            "b",
            "",
            "bad pictures have a larger log-volume than good ones",
            "AUC, less 0.5",
            tuple(Part(model, above(each, 0.5), 1) for model, each in volume.items()),
        ),
        Claim(
            "b",
            "",
            "the log-volume finds bad pictures about as well as any other score",
            f"AUC, less the other's, plus {MARGIN:g}, which it may be worse",
            tuple(Part(name, above(less(*both), -MARGIN), 1) for name, both in rivals.items()),
        ),
        Claim(
            "c",
            "",
            "memorised draws have a smaller log-volume than others",
            "AUC, less 0.5",
            (Part("the flow", above(found, 0.5), 1),),
        ),
        Claim(
            "c",
            "",
            "the log-volume finds memorised draws about as well as the distance to training digits",
            f"AUC, less that of the distance, plus {MARGIN:g}, which it may be worse",
            (Part("the flow", above(less(found, nearest_one), -MARGIN), 1),),
        ),
    ]


def judged(runs: Runs) -> Iterator[Line]:
    """The verdicts."""
    yield "use", "claim", "figure", "the telling part", "parts decided", "verdict"
    for claim, word, telling, decided in verdicts(claims(runs)):
        effect = "" if telling is None or telling.effect is None else f": {signed(telling.effect)}"
        counted = f"{decided.count('agrees')} for, {decided.count('disagrees')} against, of {len(decided)}"
        where = "" if telling is None else telling.what
        missing = any(name not in runs for name in expected()[claim.section])
        yield (
            claim.section,
            claim.says,
            claim.by,
            f"{where}{effect}",
            counted,
            "not run yet" if missing else f"**{word}**",
        )


def main() -> None:
    """Write the page."""
    runs = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name in set(runs) - {name for names in expected().values() for name in names}:
        print(f"{KEPT.name}: {name} is a run of no use, and is left aside", file=sys.stderr)
    tables = {"verdicts": judged, "rare": rare, "artefacts": bad, "memorised": repeated, "made": made}
    fill_tables(PAGE, {name: make(runs) for name, make in tables.items()})


if __name__ == "__main__":
    main()
