"""Figures 2 to 11 of the paper, drawn from what `runs.py` has trained; docs/boltzmann.md shows them.

    python polar_plugins/boltzmann/benchmarks/pictures.py [--out polar_plugins/boltzmann/docs]

A picture whose flow or run is not there is left out, and named. A minute on one core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flows import FLOWS
from matplotlib.figure import Figure
from polarprior_boltzmann.energies import DoubleWell
from polarprior_boltzmann.flow import way
from polarprior_boltzmann.flow_file import FlowFile
from runs import KEPT
from wells import FIG_11, OF_TABLE_2, SEEDS, WELLS, WIDE

TIMES = (0.0, 0.25, 0.5, 0.75, 1.0)
POINTS, STEPS = 1500, 40
SIDE = 13.0


def main() -> None:
    """Draw all that can be drawn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    planar = {
        "figure-2": ("four-gaussians-reverse-kl", "reverse KL on eq. 2"),
        "figure-3": ("four-gaussians-linear", "continuity loss on eq. 2, linear interpolation"),
        "figure-4": ("two-gaussians-linear", "continuity loss on eq. 18, linear interpolation"),
        "figure-7": ("two-gaussians-diffusion", "continuity loss on eq. 18, along its diffusion"),
        "figure-8": ("two-gaussians-trainable", "continuity loss on eq. 18, trainable interpolation"),
    }
    for name, (flow, title) in planar.items():
        path = FLOWS / f"{flow}.safetensors"
        if not path.exists():
            print(f"{name}: {path.name} is missing: `runs.py --full --only table1`")
            continue
        _save(_planar(FlowFile.open(path), title), out / f"{name}.png")
    _save(_on_a_line(3.0, -3.0, 0.5, 2.0, "Fig. 5: modes at equal distance and weight"), out / "figure-5.png")
    _save(_on_a_line(1.0, -4.0, 1 / 3, 2.0, "Fig. 6: a near mode and a far one"), out / "figure-6.png")
    _save(_potentials(), out / "figure-9.png")
    wells = {
        (how, mass): FLOWS / f"double-well-16-{mass:g}-{how}-seed-{SEEDS[-1]}.safetensors"
        for how in ("trainable", "reverse-kl")
        for mass in WELLS
    }
    if all(path.exists() for path in wells.values()):
        _save(_histograms(wells), out / "figure-10.png")
    else:
        print("figure-10: flows of double wells are missing: `runs.py --full --only table2`")
    runs = json.loads(KEPT.read_text())
    losses = {f"N = {case.points}, {case.loss}": runs.get(case.name) for case in FIG_11}
    firsts = [*(cases[0] for cases in OF_TABLE_2.values()), WIDE]
    masses = {f"m = {case.mass:g}, batch {case.batch}, {case.loss}": runs.get(case.name) for case in firsts}
    for name, part, curves in (("figure-11", "fig11", losses), ("table-2", "table2", masses)):
        found = {label: run["curve"] for label, run in curves.items() if run is not None}
        for label in curves.keys() - found.keys():
            print(f"{name}: {label} is missing: `runs.py --full --only {part}`")
        if found:
            _save(_curves(found), out / f"{name}.png")


def _planar(found: FlowFile, title: str) -> Figure:
    """Above the densities exp(-f_t), where the flow has learnt some; below draws on their way, over the target, with
    the field."""
    target, family = found.target(), found.interpolation() if found.constant is not None else None
    z = found.base.sample(POINTS, torch.Generator().manual_seed(0))
    with torch.no_grad():
        along = way(found.field, z, STEPS, rule="runge-kutta")
    grid = torch.linspace(-SIDE, SIDE, 161)
    plane = torch.cartesian_prod(grid, grid)
    arrows = torch.linspace(-SIDE, SIDE, 14)
    at = torch.cartesian_prod(arrows, arrows)
    rows = 1 if family is None else 2
    figure = Figure(figsize=(2.1 * len(TIMES), 0.4 + 2.1 * rows), layout="constrained")
    figure.suptitle(title, fontsize=9)
    *above, below = figure.subplots(rows, len(TIMES), squeeze=False)
    for panel, t in zip(above[0] if family is not None else (), TIMES, strict=family is not None):
        with torch.no_grad():
            energy = family.energy(plane, torch.full((len(plane),), t))
        density = (energy.min() - energy).exp().reshape(161, 161).T
        panel.contourf(grid, grid, density, levels=12, cmap="Oranges")
        panel.set(xticks=[], yticks=[], aspect="equal")
        panel.set_title(f"exp(-f), t = {t:g}", fontsize=8)
    for panel, t in zip(below, TIMES, strict=True):
        density = (-target(plane)).exp().reshape(161, 161).T
        panel.contourf(grid, grid, density, levels=12, cmap="Blues")
        with torch.no_grad():
            field = found.field(at, torch.tensor(t))
        panel.quiver(*at.T, *field.T, color="0.55", width=0.004, scale=250, zorder=2)
        panel.plot(*along[round(t * STEPS)].T, ".", ms=1, color="C1", zorder=3)
        panel.set(xlim=(-SIDE, SIDE), ylim=(-SIDE, SIDE), xticks=[], yticks=[], aspect="equal")
        panel.set_title(f"t = {t:g}", fontsize=8)
    return figure


def _on_a_line(first: float, second: float, share: float, variance: float, title: str) -> Figure:
    """Linear interpolation between x²/4 and a mixture, its densities, and the field that they ask for.

    In one dimension the field is -d_t F_t / p_t, F_t the cumulative law: all by quadrature.
    """
    x = np.linspace(-9, 9, 6001)
    step = x[1] - x[0]
    target = -np.log(share * np.exp(-((x - first) ** 2)) + (1 - share) * np.exp(-((x - second) ** 2)))

    def law(t: float) -> tuple[np.ndarray, np.ndarray]:
        density = np.exp(-(1 - t) * x**2 / (2 * variance) - t * target)
        density /= density.sum() * step
        return density, density.cumsum() * step

    figure = Figure(figsize=(2.1 * len(TIMES), 4.2), layout="constrained")
    figure.suptitle(title, fontsize=9)
    panels = figure.subplots(3, len(TIMES), sharex=True)
    for column, t in enumerate(TIMES):
        density, _ = law(t)
        low, high = max(t - 1e-4, 0), min(t + 1e-4, 1)
        field = -(law(high)[1] - law(low)[1]) / (high - low) / np.maximum(density, 1e-12)
        likely = density > 1e-4 * density.max()
        panels[0, column].plot(x, -(1 - t) * x**2 / (2 * variance) - t * target, lw=1)
        panels[1, column].plot(x, density, lw=1, color="C1")
        panels[2, column].plot(x[likely], field[likely], lw=1, color="C2")
        panels[2, column].axhline(0, lw=0.5, color="0.7")
        panels[0, column].set(title=f"t = {t:g}", ylim=(-12, 1), yticks=[])
        panels[0, column].title.set_fontsize(8)
        panels[1, column].set(yticks=[])
        panels[2, column].set(ylim=(-25, 25), yticks=[-20, 0, 20])
        panels[2, column].tick_params(labelsize=6)
    for row, label in zip(panels[:, 0], ("log density", "density", "field"), strict=True):
        row.set_ylabel(label, fontsize=8)
    return figure


def _potentials() -> Figure:
    """V, and exp(-V), at the four masses."""
    x = torch.linspace(-4, 4, 400)
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for mass in WELLS:
        potential = DoubleWell(16, mass).potential(x)
        left.plot(x, potential, lw=1, label=f"m = {mass:g}")
        density = (-potential).exp()
        right.plot(x, density / (density.sum() * (x[1] - x[0])), lw=1)
    left.set(title="V", ylim=(-10, 10))
    right.set(title="exp(-V), normalised")
    left.legend(fontsize=7)
    return figure


def _histograms(there: dict[tuple[str, float], Path]) -> Figure:
    """All coordinates of draws, over the density exp(-V) that a point by itself would have. Above of the continuity
    loss, below of reverse KL."""
    x = torch.linspace(-4, 4, 400)
    figure = Figure(figsize=(2.4 * len(WELLS), 4.6), layout="constrained")
    panels = figure.subplots(2, len(WELLS)).flat
    for panel, ((how, mass), path) in zip(panels, there.items(), strict=True):
        found = FlowFile.open(path)
        with torch.no_grad():
            z = found.base.sample(4096, torch.Generator().manual_seed(0))
            draws = way(found.field, z, STEPS, rule="runge-kutta")[-1]
        density = (-DoubleWell(16, mass).potential(x)).exp()
        panel.hist(draws.flatten().clamp(-4, 4).numpy(), bins=80, density=True, color="C1", alpha=0.6)
        panel.plot(x, density / (density.sum() * (x[1] - x[0])), lw=1)
        panel.set_title(f"{'continuity' if how == 'trainable' else how}, m = {mass:g}", fontsize=8)
    return figure


def _curves(found: dict[str, list[list[Any]]]) -> Figure:
    """Loss and reverse ESS on the way, against iterations and CPU time.

    Args:
        found: rows of (iterations, CPU seconds, loss, reverse ESS) by label.
    """
    figure = Figure(figsize=(9, 5), layout="constrained")
    panels = figure.subplots(2, 2, sharex="col", sharey="row")
    for label, rows in found.items():
        done, seconds, loss, ess = np.array(rows).T
        look = {"lw": 1, "ls": "--" if label.endswith("reverse-kl") else "-", "label": label}
        for column, along in enumerate((done, seconds / 60)):
            (line,) = panels[0, column].plot(along, ess, **look)
            panels[1, column].plot(along, loss, color=line.get_color(), **look)
    panels[0, 0].set(ylabel="reverse ESS", ylim=(0, 1))
    scale = "symlog" if any(row[2] <= 0 for rows in found.values() for row in rows) else "log"
    panels[1, 0].set(ylabel="loss", xlabel="iterations", yscale=scale)
    panels[1, 1].set(xlabel="CPU minutes on one core")
    panels[0, 1].legend(fontsize=7)
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=110)
    print(path)


if __name__ == "__main__":
    main()
