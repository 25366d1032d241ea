"""Perceptual path length near modes and anti-modes: Fig. 7 and C.5 of the paper.

    python benchmarks/paper/path_length.py [--quick]

On ``mnist:wgan`` in the classifier's space (the paper: StyleGAN2 in VGG's): paths between draws of a rho, at a step
of 1e-4, and shifts of 0.3 in random directions from them. Against truncation of the latents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import scene as shared
import torch
from pareto import BOUNDS
from polarprior.generator import Latents
from polarprior.metrics.path_length import path_lengths, shift_lengths
from scene import TILTS, Scene, experiment, interval, trust
from telling import Results, shown, side, signed, table

DRAWS = 1000


def run(quick: bool) -> dict[str, Any]:
    scene = Scene("mnist:wgan")
    phi = pp.feature_map(scene.generator, "mnist:classifier")
    rows = []
    for tilt in TILTS[:: 4 if quick else 1]:
        rho = scene.rho_of(tilt)
        found, controls, reports = [], [], []
        for index in range(shared.BANKS):
            drawn, permuted, report = scene.polarised(index, rho)
            reports.append(trust(report))
            for kept, picked in ((found, drawn), (controls, permuted)):
                chosen = np.random.default_rng(index).permutation(picked)[: 2 * DRAWS]
                kept.append(
                    _lengths(scene.generator, phi, scene.generator.prior.draw(scene.bank(index).seeds[chosen]))
                )
        row: dict[str, Any] = {"rho": rho}
        row |= {name: float(np.mean([each[name] for each in reports])) for name in reports[0]}
        for name in ("path", "shift"):
            row[name] = interval([each[name] for each in found])
            pairs = zip(found, controls, strict=True)
            row[f"{name} effect"] = interval([each[name] - other[name] for each, other in pairs])
        rows.append(row)
        print(
            f"rho {rho:g}: " + ", ".join(f"{name} {row[name]['mean']:.3g}" for name in ("path", "shift")), flush=True
        )
    truncations = []
    for bound in BOUNDS[:: 3 if quick else 1]:
        cut = Scene("mnist:wgan", within=bound)
        sets = [range(index * shared.ROWS, index * shared.ROWS + 2 * DRAWS) for index in range(shared.BANKS)]
        found = [_lengths(cut.generator, phi, cut.generator.prior.draw(seeds)) for seeds in sets]
        truncations.append({"bound": bound, **{name: interval([each[name] for each in found]) for name in found[0]}})
        print(f"bound {bound:g}: path {truncations[-1]['path']['mean']:.3g}", flush=True)
    return {"polarity": rows, "truncation": truncations}


def _lengths(generator: pp.Generator, phi: pp.FeatureMap, latents: Latents) -> dict[str, float]:
    """Mean path length between the two halves of `latents`, and mean length of shifts from the first."""
    half = len(latents) // 2
    stream = torch.Generator().manual_seed(0)
    first, second = latents[:half], latents[half:]
    return {
        "path": float(path_lengths(generator, phi, (first, second), stream).mean()),
        "shift": float(shift_lengths(generator, phi, first, stream).mean()),
    }


def tell(results: Results, pictures: Path) -> str:
    """Path lengths at each rho and each truncation."""
    cells = [
        (
            f"{row['rho']:g}",
            f"{row['tilt']:.2f}",
            f"{row['ess']:.0f}",
            shown(row["path"], 0),
            signed(row["path effect"], 0),
            side(row, row["path effect"], 1 if row["rho"] > 0 else -1),
            shown(row["shift"], 1),
            signed(row["shift effect"], 1),
            side(row, row["shift effect"], 1 if row["rho"] > 0 else -1),
        )
        for row in results["polarity"]
    ]
    measured = ("against its control", "verdict")
    heads = ("rho", "tilt", "ESS", "path", *measured, "shift", *measured)
    cut = [(f"{row['bound']:g}", shown(row["path"], 0), shown(row["shift"], 1)) for row in results["truncation"]]
    return (
        "squared lengths in the classifier's space. The verdicts are whether paths (Fig. 7) and shifts (C.5) are "
        f"shorter at rho < 0 and longer at rho > 0.\n\n{table(heads, cells)}\n\nLatents truncated instead:\n\n"
        f"{table(('bound', 'path', 'shift'), cut)}"
    )


if __name__ == "__main__":
    experiment("path_length", "Fig. 7, C.5", run)
