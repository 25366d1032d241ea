"""PAGAN on MNIST: the paper's Tables 2 and 3 in their form, and what its ordering depends on.

    python polar_plugins/pagan/benchmarks/runs.py [--quick] [--full] [--json FILE]
                                                 [--only table3,why,matchings,table2,faces,figure3]

The paper is Alanov et al., *Pairwise Augmented GANs with Adversarial Reconstruction Loss* (2018). 16 pixels, 12,000
iterations of 64 images for every model, half of them where a cause is looked for, three seeds; all is judged on the
10,000 test images, which no choice was made by, with a classifier trained on shifted digits. Every run is kept in
``results/runs.json`` as soon as it is done; --full makes those that are missing: about six CPU hours for all but the
matchings, which take ten.
Without --full the runs that are there are told; --quick makes tiny ones and keeps nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from polarprior.plugin import from_uint8
from polarprior_benchmarks.kept_runs import Parts, Runs, interval, main, rounded
from polarprior_benchmarks.reporting import Report
from polarprior_pagan.command import OF_MATCHINGS
from polarprior_pagan.data import Images
from polarprior_pagan.looking import Looks
from polarprior_pagan.matching import DIVERGENCES, MINIMAX, NON_SATURATING
from polarprior_pagan.recipe import Recipe
from polarprior_pagan.training import Training
from polarprior_training.augmentations import AUGMENTATIONS, shift
from rivals import age, autoencoder
from scipy.ndimage import gaussian_filter
from sets import SETS, SIZE, images_of, judged_by
from tqdm import tqdm

KEPT = Path(__file__).parent / "results" / "runs.json"
SHEETS = Path(__file__).parents[1] / "docs" / "sheets"
SEEDS = range(3)
ITERATIONS, GLANCE = 12_000, 2000
MODELS: dict[str, dict[str, Any]] = {
    "PAGAN": {},
    "PAGAN-L1": {"reconstruction": "l1", "augment": "none"},
    "PAGAN-NOAUG": {"augment": "none"},
}
TABLE_3 = {"PAGAN": (32.84, 6.56, 13.01), "PAGAN-L1": (76.73, 4.46, 30.94), "PAGAN-NOAUG": (111.151, 4.23, 50.15)}
"""The paper's FID, IS and RID, on CIFAR-10."""
TABLE_2 = {"AUG": (8.89, 1.57), "VAE": (5.85, 44.33), "AGE": (6.675, 19.02), "PAGAN": (8.12, 13.01)}
"""The paper's RMSE and RID, on CIFAR-10."""
RIVALS = {"VAE": autoencoder, "AGE": age}
METRICS = ("fid", "is", "rid", "agreement", "rmse")


def trained(kind: str, model: str, changes: dict[str, Any], seed: int, quick: bool) -> dict[str, Any]:
    """A training with its CPU seconds and metrics on the test set; the looks' seconds don't count.

    Samples and reconstructions of the first seed are drawn into the plugin's docs, but for the minimax maker.
    """
    images, looks = images_of(kind, quick)[0], judged_by(kind, quick)
    size, channels = images.pixels.shape[2:]
    recipe = Recipe(size=size, channels=channels, iterations=ITERATIONS, seed=seed)
    recipe = replace(recipe, **{**MODELS[model], **changes})
    recipe = replace(recipe, iterations=20) if quick else recipe
    training, seconds, curve = Training(images.pixels, recipe, AUGMENTATIONS[recipe.augment]), 0.0, []
    with tqdm(total=recipe.iterations, mininterval=10) as bar:
        while not training.finished:
            began = time.process_time()
            training.advance()
            seconds += time.process_time() - began
            bar.update()
            if training.done % GLANCE == 0:
                seen = looks(training.averaged["generator"], training.averaged["encoder"])
                curve.append([training.done, round(seconds, 1), *(float(f"{seen[name]:.4g}") for name in METRICS)])
    made = training.averaged["generator"], training.averaged["encoder"]
    if seed == SEEDS[0] and recipe.maker == NON_SATURATING and not quick:
        of = name_of(kind, model, changes)
        looks.sheet(*made, of).save(SHEETS / f"{sheet_of(of)}.png")
    found = looks(*made)
    return {
        "iterations": training.done,
        "cpu_seconds": round(seconds, 1),
        "metrics": rounded(found),
        "curve": curve,
        "recipe": asdict(recipe),
    }


def at(run: dict[str, Any], iterations: int) -> dict[str, Any]:
    """A run as it was at a glance: of its metrics and its CPU seconds."""
    glance = next(row for row in run["curve"] if row[0] == iterations)
    return {"cpu_seconds": glance[1], "metrics": dict(zip(METRICS, glance[2:], strict=True))}


def name_of(kind: str, model: str, changes: dict[str, Any], seed: int | None = None) -> str:
    """The name of a run, or of the runs over seeds."""
    of = "".join(f", {name} {value if isinstance(value, str) else f'{value:g}'}" for name, value in changes.items())
    return f"{SETS[kind]}, {model}{of}" + ("" if seed is None else f", seed {seed}")


def sheet_of(name: str) -> str:
    """The file name of runs' pictures, without its ending."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower())


def _told(runs: Runs, report: Report, kind: str, model: str, changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs of a model over seeds, told as means with their 95% intervals."""
    what = name_of(kind, model, changes)
    found = runs.over(
        SEEDS,
        lambda seed: name_of(kind, model, changes, seed),
        lambda seed: trained(kind, model, changes, seed, runs.quick),
    )
    if not found:
        report.add(what, "not run", detail="--full")
        return []
    for name in METRICS:
        mean, half = interval([run["metrics"][name] for run in found])
        report.add(f"{what}: {name}", mean, detail=f"± {half:.3g} (95%), {len(found)} seeds")
    minutes = max(run["cpu_seconds"] for run in found) / 60
    report.add(f"{what}: CPU minutes a run", minutes, "min", detail=f"the longest of {len(found)}")
    return found


def table_3(runs: Runs, report: Report) -> None:
    """PAGAN, L1 and NOAUG on grey digits, at equal iterations; the label agreement that a PAGAN reaches."""
    found = {model: _told(runs, report, "grey", model, {}) for model in MODELS}
    _ordering(report, "grey digits", found)
    if found["PAGAN"]:
        worst = min(run["metrics"]["agreement"] for run in found["PAGAN"])
        minutes = max(run["cpu_seconds"] for run in found["PAGAN"]) / 60
        report.add("PAGAN: label agreement, the worst seed", worst, "", ">= 0.90", worst >= 0.90)
        report.add("PAGAN: CPU minutes, the longest run", minutes, "min", "<= 30", minutes <= 30)


PAIRS = (("PAGAN", "PAGAN-L1"), ("PAGAN-L1", "PAGAN-NOAUG"), ("PAGAN", "PAGAN-NOAUG"))
"""The paper's ordering: of each the first is the better one."""


class Difference(NamedTuple):
    """How two models differ in a metric: the first less the second.

    Attributes:
        metric, first, second: their names.
        mean, half: over seeds, and half of its 95% interval; None where runs are missing.
        theirs: the paper's.
        verdict: whether the paper's ordering holds.
    """

    metric: str
    first: str
    second: str
    theirs: float
    mean: float | None = None
    half: float = 0.0
    verdict: str = ""


def ordering(found: dict[str, list[dict[str, Any]]]) -> Iterator[Difference]:
    """How each pair of models stands, where the paper's Table 3 has FID and RID."""
    for name, place in (("fid", 0), ("rid", 2)):
        for first, second in PAIRS:
            theirs = TABLE_3[first][place] - TABLE_3[second][place]
            if min(len(found[first]), len(found[second])) < len(SEEDS):
                yield Difference(name, first, second, theirs)
                continue
            pairs = zip(found[first], found[second], strict=True)
            mean, half = interval([a["metrics"][name] - b["metrics"][name] for a, b in pairs])
            verdict = "undecided" if abs(mean) <= half else "agrees" if mean < 0 else "disagrees"
            yield Difference(name, first, second, theirs, mean, half, verdict)


def _ordering(report: Report, what: str, found: dict[str, list[dict[str, Any]]]) -> None:
    for each in ordering(found):
        if each.mean is not None:
            detail = f"± {each.half:.3g}, the paper's {each.theirs:.3g} on CIFAR-10: {each.verdict}"
            report.add(f"Table 3, {what}, {each.metric}: {each.first} less {each.second}", each.mean, detail=detail)


GAINS = (1.0, 0.0)
"""Spectral norms, besides the recipe's own; 0 is without normalisation."""
HALF = {"iterations": ITERATIONS // 2}


def why(runs: Runs, report: Report) -> None:
    """What the ordering depends on: spectral norms, and the data. Half the iterations: runs of Table 3 have a glance
    there, and are trained alike up to it. The curves tell of the budget."""
    for gain in GAINS:
        for model in ("PAGAN", "PAGAN-NOAUG"):
            _told(runs, report, "grey", model, {**HALF, "gain": gain})
    of = {model: _told(runs, report, "coloured", model, HALF) for model in MODELS}
    _ordering(report, f"coloured digits, {HALF['iterations']} iterations", of)


OF_FACES = {"iterations": ITERATIONS // 4}


def faces(runs: Runs, report: Report) -> None:
    """PAGAN, L1 and NOAUG on faces in colour, of 32 pixels."""
    _ordering(report, "faces", {model: _told(runs, report, "faces", model, OF_FACES) for model in MODELS})


def of_matching(matching: str, maker: str = NON_SATURATING) -> dict[str, Any]:
    """What a matching changes in the recipe, as the command has it by default."""
    own = OF_MATCHINGS.get(matching, {})
    return {**HALF, "matching": matching, **own, **({} if maker == NON_SATURATING else {"maker": maker})}


STEEP = tuple(name for name in DIVERGENCES if "gain" in OF_MATCHINGS.get(name, {}))
"""Matchings that have a spectral norm of their own."""
STEPS = 5
"""Steps of the discriminators an iteration in the paper's base (n_dis)."""


def matchings(runs: Runs, report: Report) -> None:
    """Every matching with its defaults, over three seeds; and the minimax maker, as printed, with one."""
    for matching in DIVERGENCES:  # gan is in Table 3
        _goal(runs, report, matching)
    for matching in STEEP:
        _told(runs, report, "grey", "PAGAN", {**HALF, "matching": matching})
    for matching in (*DIVERGENCES, "gan"):
        changes = of_matching(matching, MINIMAX)
        run = runs(name_of("grey", "PAGAN", changes, 0), lambda c=changes: trained("grey", "PAGAN", c, 0, runs.quick))
        figure = "not run" if run is None else run["metrics"]["agreement"]
        report.add(f"{matching}, minimax: agreement", figure, detail="one seed" if run else "--full")
    _told(runs, report, "grey", "PAGAN", {**HALF, "judge_steps": STEPS})
    _goal(runs, report, "wasserstein")


def _goal(runs: Runs, report: Report, matching: str) -> None:
    """A matching with its defaults, and the label agreement of its worst seed."""
    found = _told(runs, report, "grey", "PAGAN", of_matching(matching))
    if found:
        worst = min(run["metrics"]["agreement"] for run in found)
        report.add(f"{matching}: agreement, the worst seed", worst, "", ">= 0.5", worst >= 0.5)


def rival(make: Callable[[Images, Looks, Recipe], dict[str, Any]], quick: bool) -> dict[str, Any]:
    """A model of `rivals.py` on grey digits."""
    recipe = Recipe(size=SIZE, iterations=20 if quick else ITERATIONS)
    return make(images_of("grey", quick)[0], judged_by("grey", quick), recipe)


def table_2(runs: Runs, report: Report) -> None:
    """RMSE and RID of a(x), of a VAE, of AGE, and of PAGAN."""
    rows = {
        "AUG": runs("AUG", lambda: {"metrics": rounded(judged_by("grey", runs.quick).floor)}),
        **{name: runs(name, lambda m=make: rival(m, runs.quick)) for name, make in RIVALS.items()},
        "PAGAN": runs(name_of("grey", "PAGAN", {}, 0), lambda: trained("grey", "PAGAN", {}, 0, runs.quick)),
    }
    for name, run in rows.items():
        if run is None:
            report.add(f"Table 2, {name}", "not run", detail="--full")
            continue
        seen, (rmse, rid) = run["metrics"], TABLE_2[name]
        theirs = f"the paper's {rid:g} and {rmse:g} on CIFAR-10"
        detail = f"RMSE {seen['rmse']:.1f}, agreement {seen['agreement']:.3f}; {theirs}"
        report.add(f"Table 2, {name}: RID", seen["rid"], detail=detail)


SHARES = (0.1, 0.15, 0.2, 0.25)
"""Shifts of Fig. 3, as shares of the side: 1 to 4 pixels of 16."""
BLURS, NOISES = (0.4, 0.6, 0.8, 1.0, 1.5), (0.1, 0.2, 0.4, 0.6, 0.8)
"""Widths of its blurs in pixels, and standard deviations of its noise in images from -1 to 1."""


def distorted(quick: bool) -> dict[str, Any]:
    """RMSE and RID of the test images, shifted, blurred and in noise, in place of reconstructions: the lines of
    Fig. 3."""
    looks = judged_by("grey", quick)
    real = from_uint8(images_of("grey", quick)[1].pixels)
    noise = torch.Generator().manual_seed(0)
    made = {
        "shifted": [shift(real, noise, share) for share in SHARES],
        "blurred": [torch.from_numpy(gaussian_filter(real.numpy(), (0, 0, width, width))) for width in BLURS],
        "in noise": [(real + std * torch.randn(real.shape, generator=noise)).clamp(-1, 1) for std in NOISES],
    }
    return {
        how: [[round(seen[name], 4) for name in ("rmse", "rid")] for seen in map(looks.of_reconstructions, each)]
        for how, each in made.items()
    }


def figure_3(runs: Runs, report: Report) -> None:
    """RID beside RMSE of images that are distorted more and more."""
    found = runs("distortions", lambda: distorted(runs.quick))
    for how, points in (found or {}).items():
        detail = ", ".join(f"{rid:.3g} at {rmse:.3g}" for rmse, rid in points)
        report.add(f"Fig. 3, {how}: the largest RID", max(rid for _, rid in points), detail=f"RID at RMSE: {detail}")


PARTS: Parts = {
    "table3": table_3,
    "why": why,
    "matchings": matchings,
    "table2": table_2,
    "faces": faces,
    "figure3": figure_3,
}

if __name__ == "__main__":
    main(str(__doc__), KEPT, PARTS)
