"""Polarity beside other ways to choose latents: Tab. 1 of the paper.

    python benchmarks/paper/rivals.py [--quick]

On ``mnist:wgan``, 5 sets of 5,000 draws each against the test digits: the model's own prior, the rivals with the
settings of their papers where they give some, and polarity, each set from a bank of its own at the rho that
`best_rho` chose on the four others, with its control (the bank's repetitions without polarity; no rival repeats).
Rivals that need a discriminator have the one of `polarprior-mnist`; the weight network of latentRS is trained on the
first run.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import polarprior as pp
import scene as shared
import torch
from claims import Claim, Part
from data import grey
from polarprior_mnist.judges import Discriminator
from polarprior_rivals.reweighting import save, train
from scene import CACHE, RESULTS, Figures, Real, Scene, experiment, gathered, minus
from telling import JUDGED, SECOND, Results, in_a_line, shown, signed, table
from torch import Tensor

DRAWS, STEPS, BATCH = 5000, 3000, 64
SAMPLERS = ("truncation:1.5", "sir:10", "drs:80", "mh:30", "dot:20", "latent-rs:{weight}", "latent-rs-ga:{weight}")
CLAIMED = ("sir", "dot", "latent-rs", "latent-rs-ga")
"""What the paper's claim is about."""
FIRST = 1 << 30
"""Seeds from here on: no row of a bank."""


def run(quick: bool) -> dict[str, Any]:
    scene = Scene("mnist:wgan")
    real = Real.test_digits(scene)
    weight = CACHE / "latent-weight.safetensors"
    if quick or not weight.exists():
        weight = CACHE / ("quick-weight.safetensors" if quick else weight.name)
        _train(scene, 20 if quick else STEPS, weight)
    rows = []
    best = RESULTS / "best_rho.json"
    found = json.loads(best.read_text())["rows"] if best.exists() else []
    for row in [each for each in found if each["model"] == scene.model]:
        rows += _polarity(Scene(scene.model, row["space"]), real, row["chosen"], 100 if quick else DRAWS)
    rows.append(_row(scene, real, "the model's own prior", None, quick))
    for name in SAMPLERS:
        sampler = pp.latent_sampler(scene.generator, None, 0.0, sampler="rivals:" + name.format(weight=weight))
        rows.append(_row(scene, real, name.partition(":{")[0], sampler, quick))
    return {"halves": real.halves(), "rows": rows}


def _polarity(scene: Scene, real: Real, chosen: list[float], count: int) -> list[dict[str, Any]]:
    """Draws of each bank at its own rho, and their controls."""
    kept: dict[str, list[Figures]] = {f"polarity in {scene.space}": [], f"control of {scene.space}": []}
    for index, rho in enumerate(chosen[: shared.BANKS]):
        drawn, permuted, _ = scene.polarised(index, rho)
        for figures, picked in zip(kept.values(), (drawn, permuted), strict=True):
            features = scene.features(index)
            figures.append(real.figures({space: each[picked[:count]] for space, each in features.items()}))
    return [_told({"sampler": name, "rho": chosen, "metrics": gathered(each)}) for name, each in kept.items()]


def _row(scene: Scene, real: Real, name: str, sampler: Any, quick: bool) -> dict[str, Any]:
    count, found = 100 if quick else DRAWS, []
    started = time.process_time()
    for index in range(shared.BANKS):
        seeds = range(FIRST + index * count, FIRST + (index + 1) * count)
        latents = scene.generator.prior.draw(seeds) if sampler is None else sampler.sample(seeds)
        found.append(real.figures(scene.features_of(latents)))
    milliseconds = (time.process_time() - started) / shared.BANKS / count * 1e3
    return _told({"sampler": name, "ms_a_draw": round(milliseconds, 2), "metrics": gathered(found)})


def _told(row: dict[str, Any]) -> dict[str, Any]:
    print(f"{row['sampler']}: {in_a_line(row['metrics'][JUDGED])}", flush=True)
    return row


def _train(scene: Scene, steps: int, path: Any) -> None:
    images, noise = grey("train"), torch.Generator().manual_seed(0)
    torch.manual_seed(0)  # the starting weights: this script's process is its own

    def batch() -> Tensor:
        return images[torch.randint(len(images), (BATCH,), generator=noise)]

    save(train(scene.generator, batch, Discriminator(), steps, noise), path)


def tell(results: dict[str, Any], pictures: Path) -> str:
    """A table."""
    polarity = next((row for row in results["rows"] if row["sampler"] == f"polarity in {JUDGED}"), None)
    cells = []
    for row in results["rows"]:
        seen = row["metrics"][JUDGED]
        less = "" if polarity is None or row is polarity else minus(polarity["metrics"][JUDGED]["fid"], seen["fid"])
        figures = (shown(seen[name]) for name in ("fid", "precision", "recall"))
        cost = f"{row['ms_a_draw']:.1f}" if "ms_a_draw" in row else "of the bank"
        second = shown(row["metrics"][SECOND]["fid"])
        cells.append((row["sampler"], *figures, second, cost, signed(less) if less else ""))
    heads = ("sampler", "FID", "precision", "recall", "FID in the encoder's space", "CPU ms a draw")
    rhos = "" if polarity is None else ", ".join(f"{rho:g}" for rho in sorted(set(polarity["rho"])))
    return (
        f"the rho of each bank in `{JUDGED}`, chosen on the others, is one of {rhos}; the paper's is 0.2."
        f"\n\n{table((*heads, 'FID of polarity less this'), cells)}"
    )


def claims(results: Results) -> list[Claim]:
    """Tab. 1."""
    fids = {row["sampler"]: row["metrics"][JUDGED]["fid"] for row in results["rows"]}
    if f"polarity in {JUDGED}" not in fids:  # best_rho had not been run
        return []
    polarity, prior = fids[f"polarity in {JUDGED}"], fids["the model's own prior"]
    rivals = [
        Part(name, minus(polarity, fid), -1, chosen=True)
        for name, fid in fids.items()
        if name.partition(":")[0] in CLAIMED
    ]
    by = "FID of polarity in the classifier's space, at the rho that is best on other banks, less the other's"
    own = (Part("the prior", minus(polarity, prior), -1, chosen=True),)
    says = "polarity in a space of features has a lower FID"
    return [
        Claim("4.2", "Tab. 1", f"{says} than the model's own prior", by, own),
        Claim("4.2", "Tab. 1", f"{says} than SIR, DOT, latentRS and latentRS+GA", by, tuple(rivals)),
    ]


if __name__ == "__main__":
    experiment("rivals", "Tab. 1", run)
