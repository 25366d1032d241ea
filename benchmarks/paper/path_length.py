"""Perceptual path length near modes and anti-modes: Fig. 7 and C.5 of the paper.

    python benchmarks/paper/path_length.py [--quick]

Polarity in the classifier's space (the paper: VGG's). Paths between draws of a rho, at a step of 1e-4, in the latent
space of ``mnist:wgan`` and ``mnist:style``, and between the styles of the latter; and shifts of 0.3 in random
directions from the draws of both. Against truncation, of latents or of styles.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polarprior as pp
import scene as shared
import torch
from claims import Claim, Part, at_the_end
from matplotlib.figure import Figure
from pareto import BOUNDS, PSIS
from polarprior.generator import Latents
from polarprior.metrics.path_length import path_lengths, shift_lengths
from scene import TILTS, Pieces, Scene, averaged, experiment, interval, minus, trust
from telling import Results, ess, shown, signed, table

EDITION = 2
SPACE, DRAWS = "mnist:classifier", 1000
WAYS = {"path": "between latents", "path-w": "between styles", "shift": "shifts"}
BINS = np.linspace(-2, 6, 81)
"""Borders of the bins of log10 of a squared length."""


class Case(NamedTuple):
    """A model, what truncates it, and the bounds of that."""

    model: str
    setting: str
    bounds: tuple[float, ...]


CASES = (Case("mnist:wgan", "within", BOUNDS), Case("mnist:style", "trunc", PSIS))
Lengths = dict[str, np.ndarray]
"""By the names of `WAYS`, [n]."""


def run(quick: bool) -> dict[str, Any]:
    rows, truncations, pieces = [], [], Pieces("path_length")
    for case in CASES[1:] if quick else CASES:
        scene = Scene(case.model, SPACE)
        for tilt in TILTS[:: 5 if quick else 1]:
            measured = pieces(scene, f"tilt{tilt}", partial(_row, scene, tilt))
            rows.append({"model": case.model, **measured})
            print(f"{case.model}, rho {rows[-1]['rho']:g}", flush=True)
        for bound in case.bounds[:: 3 if quick else 1]:
            cut = Scene(case.model, SPACE, **{case.setting: bound})
            sets = [range(index * shared.ROWS, index * shared.ROWS + 2 * DRAWS) for index in range(shared.BANKS)]
            found = [_lengths(cut, cut.generator.prior.draw(seeds)) for seeds in sets]
            means = {name: interval([float(each[name].mean()) for each in found]) for name in found[0]}
            truncations.append({"model": case.model, "bound": bound, **means})
            print(f"{case.model}, bound {bound:g}", flush=True)
    return {"polarity": rows, "truncation": truncations, "bins": BINS.tolist()}


def _row(scene: Scene, tilt: float) -> dict[str, Any]:
    """Lengths at a tilt, and against the control."""
    rho = scene.rho_of(tilt)
    found, controls, reports = [], [], []
    for index in range(shared.BANKS):
        drawn, permuted, report = scene.polarised(index, rho)
        reports.append(trust(report))
        for kept, picked in ((found, drawn), (controls, permuted)):
            chosen = np.random.default_rng(index).permutation(picked)[: 2 * DRAWS]
            kept.append(_lengths(scene, scene.generator.prior.draw(scene.bank(index).seeds[chosen])))
    row: dict[str, Any] = {"rho": rho}
    row |= averaged(reports)
    for name in found[0]:
        means = [[float(each[name].mean()) for each in of] for of in (found, controls)]
        row[name] = interval(means[0])
        row[f"{name} effect"] = interval([a - b for a, b in zip(*means, strict=True)])
        logs = np.log10(np.concatenate([each[name] for each in found]).clip(10.0 ** BINS[0]))
        row[f"{name} histogram"] = np.histogram(logs, BINS)[0].tolist()
    return row


def _lengths(scene: Scene, latents: Latents) -> Lengths:
    """Lengths of paths between the two halves of `latents`, and of shifts from the first."""
    generator, phi = scene.generator, pp.feature_map(scene.generator, SPACE)
    half = len(latents) // 2
    ends = latents[:half], latents[half : 2 * half]
    found = {"path": path_lengths(generator, phi, ends, _stream())}
    if generator.styles is not None:
        found["path-w"] = path_lengths(generator, phi, ends, _stream(), styles=True)
    found["shift"] = shift_lengths(generator, phi, ends[0], _stream())
    return {name: each.numpy() for name, each in found.items()}


def _stream() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _of(results: Results, model: str) -> tuple[list[Results], list[Results], list[str]]:
    """A model's rows of polarity and of truncation, and the ways that its lengths are taken."""
    rows, cut = ([row for row in results[part] if row["model"] == model] for part in ("polarity", "truncation"))
    return rows, cut, [name for name in WAYS if name in rows[0]]


def tell(results: Results, pictures: Path) -> str:
    """Lengths at each rho and each truncation, and how they are distributed."""
    models = list(dict.fromkeys(row["model"] for row in results["polarity"]))
    figure = Figure(figsize=(10, 2.9 * len(models)), layout="constrained")
    panels = figure.subplots(len(models), len(WAYS), squeeze=False)
    middles = [(low + high) / 2 for low, high in zip(results["bins"], results["bins"][1:], strict=False)]
    cells, cut_cells = [], []
    for model, line in zip(models, panels, strict=True):
        rows, cut, names = _of(results, model)
        for name, panel in zip(WAYS, line, strict=True):
            panel.set(title=f"{model}, {WAYS[name]}", xlabel="log10 of the squared length")
            panel.set_visible(name in names)
            for row in rows if name in names else ():
                if row["within_limits"] == 1 and abs(2 * row["tilt"] - round(2 * row["tilt"])) < 0.2:
                    panel.plot(middles, row[f"{name} histogram"], lw=1, label=f"rho {row['rho']:.2g}")
        line[0].legend(fontsize=6)
        for row in rows:
            figures = [text for name in names for text in (shown(row[name], 1), signed(row[f"{name} effect"], 1))]
            blank = ["", ""] * (len(WAYS) - len(names))
            at = 2 * list(WAYS).index("path-w")
            figures[at:at] = blank
            cells.append((model, f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row), *figures))
        for row in cut:
            lengths = [shown(row[name], 1) if name in row else "" for name in WAYS]
            cut_cells.append((model, f"{row['bound']:g}", *lengths))
    figure.savefig(pictures / "path_length.png", dpi=100)
    heads = [text for way in WAYS.values() for text in (way, "against its control")]
    return (
        f"squared lengths in the classifier's space.\n\n{table(('model', 'rho', 'tilt', 'ESS', *heads), cells)}\n\n"
        f"Truncated instead:\n\n{table(('model', 'bound or psi', *WAYS.values()), cut_cells)}\n\n"
        "![How lengths are distributed](paper/path_length.png)"
    )


def claims(results: Results) -> list[Claim]:
    """Fig. 7 and C.5."""
    models = list(dict.fromkeys(row["model"] for row in results["polarity"]))
    cases = [(model, *_of(results, model)) for model in models]

    def ends(ways: tuple[str, ...], sign: int) -> tuple[Part, ...]:
        return tuple(
            at_the_end(rows, sign, f"{model}, {WAYS[name]}", lambda row, name=name: row[f"{name} effect"], sign)
            for model, rows, _, names in cases
            for name in names
            if name in ways
        )

    # Of latents: a truncated style lies nearer to the average, however far its latent is shifted.
    bounds = sorted(_of(results, "mnist:wgan")[1], key=lambda row: row["bound"])[:2]
    where = f"mnist:wgan, {bounds[0]['bound']:g} less {bounds[1]['bound']:g}"
    tighter = Part(where, minus(bounds[0]["shift"], bounds[1]["shift"]), 1)
    by = "lengths, against the control"
    return [
        Claim("5.2", "Fig. 7", "perceptual paths are shorter near modes", by, ends(("path", "path-w"), -1)),
        Claim("5.2", "Fig. 7", "perceptual paths are longer near anti-modes", by, ends(("path", "path-w"), 1)),
        Claim("C.5", "", "shifts of a latent lead less far near modes", by, ends(("shift",), -1)),
        Claim(
            "C.5",
            "",
            "shifts of a latent lead further where latents are truncated much than where they are less",
            "length of shifts at the tightest truncation, less that at the next",
            (tighter,),
        ),
    ]


if __name__ == "__main__":
    experiment("path_length", "Fig. 7, C.5", run)
