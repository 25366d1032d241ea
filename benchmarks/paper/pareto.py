"""Precision and recall of polarity against truncation: Fig. 1, 3, 8 and 16 to 18 of the paper.

    python benchmarks/paper/pareto.py [--quick]

On ``mnist:wgan`` with latents truncated to [-T, T], and on ``mnist:style`` with styles truncated by psi. Polarity in
pixel space, in the classifier's space, and in pixel space with contrast and brightness held. Truncation has, besides
its own row, one with as many distinct images as the row of polarity beside it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import scene as shared
from polarprior.wrapping import latent_prior
from scene import TILTS, Real, Scene, experiment, plain_row, polarity_row

BOUNDS = (0.5, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5)
PSIS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
PAIRED = -1.0
"""The tilt whose repetitions a truncation's second row has."""


def run(quick: bool) -> dict[str, Any]:
    tilts = (-0.5, 0.0, 0.5) if quick else TILTS
    rows: list[dict[str, Any]] = []
    truncations: list[dict[str, Any]] = []
    halves = {}
    for model in ("mnist:wgan", "mnist:style"):
        plain = Scene(model)
        real = Real.test_digits(plain)
        halves[model] = real.halves()
        for space, hold in (("pixel", ()), ("mnist:classifier", ()), ("pixel", ("contrast", "brightness"))):
            scene = Scene(model, space)
            for tilt in tilts:
                rows.append(polarity_row(scene, real, scene.rho_of(tilt), hold=hold))
                print(told(rows[-1]), flush=True)
        repeated = [plain.polarised(index, plain.rho_of(PAIRED))[1] for index in range(shared.BANKS)]
        for bound in (BOUNDS if model == "mnist:wgan" else PSIS)[:: 3 if quick else 1]:
            cut = truncated_scene(bound) if model == "mnist:wgan" else Scene(model, trunc=bound)
            for rows_of in (None, repeated.__getitem__):
                truncations.append({**plain_row(cut, real, rows_of), "bound": bound})
                print(told(truncations[-1]), flush=True)
    return {"halves": halves, "polarity": rows, "truncation": truncations}


def truncated_scene(bound: float) -> Scene:
    """`mnist:wgan` with each number of z kept within ± bound: Marchesi 2017, and BigGAN's trick."""
    cut = Scene("mnist:wgan")
    cut.generator = replace(cut.generator, prior=latent_prior(f"truncated-normal:{bound}", cut.generator.prior.dim))
    cut._about += f"-within{bound:g}"
    return cut


def told(row: dict[str, Any]) -> str:
    """A row in a line."""
    where = f"rho {row['rho']:g} (tilt {row['tilt']:.2f})" if "rho" in row else f"bound {row['bound']:g}"
    seen = row["metrics"]["mnist:classifier"]
    figures = ", ".join(f"{name} {each['mean']:.3f} ± {each['half']:.3f}" for name, each in seen.items())
    law = f"{row.get('space', '')} {'held' if row.get('held') else ''}"
    return f"{row['model']} {law} {where}: {figures}, {row['distinct']:.0f} distinct"


if __name__ == "__main__":
    experiment("pareto", "Fig. 1, 3, 8, 16-18", run)
