"""Polarity beside other ways to choose latents: Tab. 1 of the paper.

    python benchmarks/paper/rivals.py [--quick]

On ``mnist:wgan``, 5 sets of 5,000 draws each against the test digits: the model's own prior, the rivals with the
settings of their papers where they give some, and polarity at the rho that `best_rho` finds on other banks. Rivals
that need a discriminator have the one of `polarprior-mnist`; the weight network of latentRS is trained on the first
run.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import polarprior as pp
import scene as shared
import torch
from data import grey
from polarprior.measure.figures import to_uint8
from polarprior.measure.reference import scaled
from polarprior_mnist.judges import Discriminator
from polarprior_rivals.reweighting import save, train
from scene import CACHE, RESULTS, Real, Scene, experiment, gathered
from telling import JUDGED, SECOND, shown, table
from torch import Tensor

DRAWS, STEPS, BATCH = 5000, 3000, 64
SAMPLERS = ("truncation:1.5", "sir:10", "drs:80", "mh:30", "dot:20", "latent-rs:{weight}", "latent-rs-ga:{weight}")
FIRST = 1 << 30
"""Seeds from here on: no row of a bank."""


def run(quick: bool) -> dict[str, Any]:
    scene = Scene("mnist:wgan")
    real = Real.test_digits(scene)
    weight = CACHE / "latent-weight.safetensors"
    if quick or not weight.exists():
        weight = CACHE / ("quick-weight.safetensors" if quick else weight.name)
        _train(scene, 20 if quick else STEPS, weight)
    rows = [_row(scene, real, "the model's own prior", None, quick)]
    best = RESULTS / "best_rho.json"
    found = json.loads(best.read_text())["rows"] if best.exists() else []
    for row in [each for each in found if each["model"] == scene.model]:
        polarised = Scene(scene.model, row["space"])
        sampler = pp.latent_sampler(scene.generator, polarised.banks[-1], row["rho"])
        rows.append(_row(scene, real, f"polarity {row['rho']:g} in {row['space']}", sampler, quick))
    for name in SAMPLERS:
        sampler = pp.latent_sampler(scene.generator, None, 0.0, sampler="rivals:" + name.format(weight=weight))
        rows.append(_row(scene, real, name.partition(":{")[0], sampler, quick))
    return {"halves": real.halves(), "rows": rows}


def _row(scene: Scene, real: Real, name: str, sampler: Any, quick: bool) -> dict[str, Any]:
    count, found = 100 if quick else DRAWS, []
    started = time.process_time()
    for index in range(shared.BANKS):
        seeds = range(FIRST + index * count, FIRST + (index + 1) * count)
        latents = scene.generator.prior.draw(seeds) if sampler is None else sampler.sample(seeds)
        images = scaled(to_uint8(scene.generator(latents, 250)))
        with torch.no_grad():
            maps = {space: pp.feature_map(scene.generator, space) for space in shared.SPACES}
            found.append(real.figures({space: phi(images) for space, phi in maps.items()}))
    milliseconds = (time.process_time() - started) / shared.BANKS / count * 1e3
    row = {"sampler": name, "ms_a_draw": round(milliseconds, 2), "metrics": gathered(found)}
    seen = row["metrics"]["mnist:classifier"]
    figures = ", ".join(f"{metric} {each['mean']:.3f} ± {each['half']:.3f}" for metric, each in seen.items())
    print(f"{name}: {figures}, {milliseconds:.2f} CPU ms a draw", flush=True)
    return row


def _train(scene: Scene, steps: int, path: Any) -> None:
    images, noise = grey("train"), torch.Generator().manual_seed(0)
    torch.manual_seed(0)  # the starting weights: this script's process is its own

    def batch() -> Tensor:
        return images[torch.randint(len(images), (BATCH,), generator=noise)]

    save(train(scene.generator, batch, Discriminator(), steps, noise), path)


def tell(results: dict[str, Any], pictures: Path) -> str:
    """A table."""
    cells = [
        (
            row["sampler"],
            *(shown(row["metrics"][JUDGED][name]) for name in ("fid", "precision", "recall")),
            shown(row["metrics"][SECOND]["fid"]),
            f"{row['ms_a_draw']:.1f}",
        )
        for row in results["rows"]
    ]
    best = min(results["rows"], key=lambda row: row["metrics"][JUDGED]["fid"]["mean"])
    polarity = [row for row in results["rows"] if row["sampler"].startswith("polarity")]
    side = "undecided"
    if polarity:
        mine = min((row["metrics"][JUDGED]["fid"] for row in polarity), key=lambda each: each["mean"])
        other = best["metrics"][JUDGED]["fid"]
        apart = mine["mean"] - mine["half"] > other["mean"] + other["half"]
        side = "agrees" if best in polarity else "disagrees" if apart else "undecided"
    heads = ("sampler", "FID", "precision", "recall", "FID in the encoder's space", "CPU ms a draw")
    return f"{side}: the lowest FID is that of {best['sampler']}.\n\n{table(heads, cells)}"


if __name__ == "__main__":
    experiment("rivals", "Tab. 1", run)
