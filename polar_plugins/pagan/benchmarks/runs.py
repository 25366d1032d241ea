"""PAGAN on MNIST: the paper's Tables 2 and 3 in their form, and what its ordering depends on.

    python polar_plugins/pagan/benchmarks/runs.py [--quick] [--full] [--json FILE]
                                                 [--only table3,why,matchings,table2]

The paper is Alanov et al., *Pairwise Augmented GANs with Adversarial Reconstruction Loss* (2018). 16 pixels, 12,000
iterations of 64 images for every model, half of them where a cause is looked for, three seeds; all is judged on the
10,000 test images, which no choice was made by, with a classifier trained on shifted digits. Every run is kept in
``results/runs.json`` as soon as it is done; --full makes those that are missing: about six CPU hours for all but the
matchings, which take ten.
Without --full the runs that are there are told; --quick makes tiny ones and keeps nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from polarprior.plugin import from_uint8
from polarprior_benchmarks.kept_runs import Parts, Runs, interval, main, rounded
from polarprior_benchmarks.reporting import Report
from polarprior_mnist.autoencoders import Autoencoder
from polarprior_pagan.classifier import accuracy
from polarprior_pagan.classifier import trained as trained_classifier
from polarprior_pagan.command import OF_WASSERSTEIN
from polarprior_pagan.data import Images, open_images
from polarprior_pagan.looking import Judge, Looks
from polarprior_pagan.matching import DIVERGENCES, MATCHINGS, MINIMAX, NON_SATURATING
from polarprior_pagan.recipe import Recipe
from polarprior_pagan.training import Training
from polarprior_training.augmentations import AUGMENTATIONS, shift
from torch.nn.functional import interpolate
from tqdm import tqdm

sys.path.append(str(Path(__file__).parents[3] / "benchmarks" / "paper"))  # last: its `page` is another one
from data import coloured, folder
from data import digits as mnist

KEPT = Path(__file__).parent / "results" / "runs.json"
SEEDS = range(3)
SIZE, ITERATIONS, GLANCE = 16, 12_000, 2000
MODELS: dict[str, dict[str, Any]] = {
    "PAGAN": {},
    "PAGAN-L1": {"reconstruction": "l1", "augment": "none"},
    "PAGAN-NOAUG": {"augment": "none"},
}
TABLE_3 = {"PAGAN": (32.84, 6.56, 13.01), "PAGAN-L1": (76.73, 4.46, 30.94), "PAGAN-NOAUG": (111.151, 4.23, 50.15)}
"""The paper's FID, IS and RID, on CIFAR-10."""
TABLE_2 = {"AUG": (8.89, 1.57), "VAE": (5.85, 44.33), "PAGAN": (8.12, 13.01)}
"""The paper's RMSE and RID, on CIFAR-10."""
METRICS = ("fid", "is", "rid", "agreement", "rmse")


@cache
def digits(kind: str) -> tuple[Images, Images]:
    """Training and test set, ``grey`` or ``coloured``: there each image has a hue, whatever its class, over a
    background whose brightness rises from one side to another."""
    if kind == "grey":
        return open_images(folder() / "train-images-idx3-ubyte", SIZE), open_images(
            folder() / "t10k-images-idx3-ubyte", SIZE
        )
    parts = []
    for part in ("train", "test"):
        noise = torch.Generator().manual_seed(len(part))
        images = interpolate(coloured(part, "uniform"), SIZE, mode="bilinear", antialias=True)
        ramp = torch.linspace(-1, 1, SIZE)
        slopes = torch.rand(len(images), 3, 2, generator=noise) * 2 - 1
        background = slopes[..., :1, None] * ramp[:, None] + slopes[..., 1:, None] * ramp
        pixels = ((torch.maximum(images, background / 2 - 0.5) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
        parts.append(Images(pixels.contiguous().numpy(), mnist(part)[1]))
    return parts[0], parts[1]


@cache
def judged_by(kind: str, quick: bool) -> Looks:
    """The test set, and the classifier that looks at it."""
    training, test = digits(kind)
    network = trained_classifier(training, steps=50 if quick else 3000)
    print(f"  classifier of {kind} digits: {accuracy(network, test):.4f} of the test set", flush=True)
    return Looks(test, Judge(network.features, network), shift, Recipe.latent_dim)


def trained(kind: str, changes: dict[str, Any], seed: int, quick: bool) -> dict[str, Any]:
    """A training with its CPU seconds and metrics on the test set; the looks' seconds don't count."""
    images, looks = digits(kind)[0], judged_by(kind, quick)
    recipe = replace(Recipe(size=SIZE, channels=images.pixels.shape[-1], iterations=ITERATIONS, seed=seed), **changes)
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
    found = looks(training.averaged["generator"], training.averaged["encoder"])
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
    return f"{kind} digits, {model}{of}" + ("" if seed is None else f", seed {seed}")


def _told(runs: Runs, report: Report, kind: str, model: str, changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs of a model over seeds, told as means with their 95% intervals."""
    what = name_of(kind, model, changes)
    found = runs.over(
        SEEDS,
        lambda seed: name_of(kind, model, changes, seed),
        lambda seed: trained(kind, {**MODELS[model], **changes}, seed, runs.quick),
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


def of_matching(matching: str, maker: str = NON_SATURATING) -> dict[str, Any]:
    """What a matching changes in the recipe, as the command has it by default."""
    own = OF_WASSERSTEIN if matching == "wasserstein" else {}
    return {**HALF, "matching": matching, **own, **({} if maker == NON_SATURATING else {"maker": maker})}


def matchings(runs: Runs, report: Report) -> None:
    """Every matching with its defaults, over three seeds; and the minimax maker, as printed, with one."""
    for matching in MATCHINGS:
        if matching == "gan":  # Table 3 has it
            continue
        found = _told(runs, report, "grey", "PAGAN", of_matching(matching))
        if found:
            worst = min(run["metrics"]["agreement"] for run in found)
            report.add(f"{matching}: agreement, the worst seed", worst, "", ">= 0.5", worst >= 0.5)
    for matching in (*DIVERGENCES, "gan"):
        changes = of_matching(matching, MINIMAX)
        run = runs(name_of("grey", "PAGAN", changes, 0), lambda c=changes: trained("grey", c, 0, runs.quick))
        figure = "not run" if run is None else run["metrics"]["agreement"]
        report.add(f"{matching}, minimax: agreement", figure, detail="one seed" if run else "--full")


def table_2(runs: Runs, report: Report) -> None:
    """RMSE and RID of a(x), of a VAE, and of PAGAN."""
    rows = {
        "AUG": runs("AUG", lambda: {"metrics": rounded(judged_by("grey", runs.quick).floor)}),
        "VAE": runs("VAE", lambda: autoencoder(runs.quick)),
        "PAGAN": runs(name_of("grey", "PAGAN", {}, 0), lambda: trained("grey", {}, 0, runs.quick)),
    }
    for name, run in rows.items():
        if run is None:
            report.add(f"Table 2, {name}", "not run", detail="--full")
            continue
        seen, (rmse, rid) = run["metrics"], TABLE_2[name]
        theirs = f"the paper's {rid:g} and {rmse:g} on CIFAR-10"
        detail = f"RMSE {seen['rmse']:.1f}, agreement {seen['agreement']:.3f}; {theirs}"
        report.add(f"Table 2, {name}: RID", seen["rid"], detail=detail)


def autoencoder(quick: bool) -> dict[str, Any]:
    """A VAE with Bernoulli pixels, `polarprior_mnist`'s, of the same two networks."""
    images, looks, recipe = digits("grey")[0], judged_by("grey", quick), Recipe(size=SIZE)
    networks = Training(images.pixels, recipe, AUGMENTATIONS["none"]).networks
    model = Autoencoder(recipe.latent_dim)
    model.encoder, model.decoder = networks.encoder.layers, networks.generator
    noise = torch.Generator().manual_seed(0)
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    began = time.process_time()
    for _ in tqdm(range(20 if quick else ITERATIONS), mininterval=10):
        rows = torch.randint(len(images), (recipe.batch,), generator=noise)
        loss = model.loss(from_uint8(images.pixels[rows.numpy()]), noise)
        adam.zero_grad()
        loss.backward()
        adam.step()
    spent = time.process_time() - began
    found = looks(networks.generator.eval(), networks.encoder.eval())
    return {"cpu_seconds": round(spent, 1), "metrics": rounded(found)}


PARTS: Parts = {"table3": table_3, "why": why, "matchings": matchings, "table2": table_2}

if __name__ == "__main__":
    main(str(__doc__), KEPT, PARTS)
