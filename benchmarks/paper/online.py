"""Fig. 1 of the paper with latents that no bank holds: a curve of the ``online`` sampler.

    python benchmarks/paper/online.py [--quick]

On ``mnist:wgan`` in pixel space: five sets of 1,000 fresh draws at each tilt, each set calibrated on the first 1,000
rows of a bank of its own. Towards the modes the surrogate's tail is long there: at a tilt of -1 most streams would
end without a draw. No image is repeated, so that a row is compared with the model's own prior on the same
seeds; beside it stand as many draws of the `bank` sampler, from 10,000 rows, with their control.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polarprior as pp
import scene as shared
import torch
from claims import Claim, Part
from matplotlib.figure import Figure
from scene import Real, Scene, averaged, difference, experiment, gathered, interval, minus, trust
from telling import JUDGED, Results, clear, shown, signed, table
from tqdm import tqdm

TILTS, DRAWS, BATCH = (-0.5, -0.25, 0.5, 1.0), 1000, 250
SHARE = 0.5
"""Share of a bank's effect: a difference that is less than that leaves fresh draws an effect of their own."""
FIRST = 1 << 31
"""Seeds from here on: no row of a bank, and no draw of `rivals`."""


def run(quick: bool) -> dict[str, Any]:
    count = 50 if quick else DRAWS
    shared.COMPARED = count
    scene = Scene("mnist:wgan")
    real = Real.test_digits(scene)
    sets = [range(FIRST + index * count, FIRST + (index + 1) * count) for index in range(shared.BANKS)]
    plain = [real.figures(scene.features_of(scene.generator.prior.draw(seeds))) for seeds in sets]
    rows = [{"rho": 0.0, "tilt": 0.0, "metrics": gathered(plain)}]
    for rho in [scene.rho_of(tilt) for tilt in TILTS[:: 3 if quick else 1]]:
        found, banked, controls, jacobians, reports = [], [], [], [], []
        for index, seeds in enumerate(sets):
            sampler = pp.latent_sampler(
                scene.generator, scene.bank(index), rho, sampler="online", k=scene.drawn_k, force=True
            )
            parts = []
            for start in tqdm(range(0, count, BATCH), desc=f"rho {rho:g}, set {index}"):
                parts.append(scene.features_of(sampler.sample(seeds[start : start + BATCH])))
            found.append(real.figures({space: torch.cat([part[space] for part in parts]) for space in parts[0]}))
            jacobians.append(sampler.diagnostics.spending.jacobians / count)
            reports.append(trust(sampler.diagnostics))
            drawn, permuted, _ = scene.polarised(index, rho)
            for kept, picked in ((banked, drawn), (controls, permuted)):
                kept.append(real.figures({space: each[picked] for space, each in scene.features(index).items()}))
        row: dict[str, Any] = {"rho": rho, "jacobians": interval(jacobians)}
        row |= averaged(reports)
        row |= {"metrics": gathered(found), "effect": gathered(list(map(difference, found, plain)))}
        row |= {"bank": gathered(banked), "bank's effect": gathered(list(map(difference, banked, controls)))}
        rows.append(row)
        seen, effect = row["metrics"][JUDGED], row["effect"][JUDGED]
        figures = ", ".join(f"{name} {shown(each)} ({signed(effect[name])})" for name, each in seen.items())
        print(f"rho {rho:g}: {figures}, {row['jacobians']['mean']:.1f} Jacobians a draw", flush=True)
    return {"rows": rows, "draws": count}


def tell(results: Results, pictures: Path) -> str:
    """A table, and the curves of both samplers."""
    rows = sorted(results["rows"], key=lambda row: row["rho"])
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    panel = figure.subplots()
    for name, kept, style in (("online", "metrics", "-o"), ("bank", "bank", ":s")):
        shown_rows = [row.get(kept, row["metrics"])[JUDGED] for row in rows]
        x, y = ([row[metric] for row in shown_rows] for metric in ("precision", "recall"))
        means, halves = ([[each[part] for each in axis] for axis in (x, y)] for part in ("mean", "half"))
        panel.errorbar(*means, yerr=halves[1], xerr=halves[0], fmt=style, ms=3, lw=0.8, label=name)
    panel.set(xlabel="precision", ylabel="recall", title=f"mnist:wgan, {results['draws']:,} images")
    panel.legend(fontsize=7)
    figure.savefig(pictures / "online.png", dpi=110)
    cells = []
    for row in rows:
        if row["rho"] == 0:
            continue
        effect, bank = row["effect"][JUDGED], row["bank's effect"][JUDGED]
        about = (f"{row['rho']:g}", f"{row['tilt']:.2f}")
        figures = [signed(each[name]) for name in ("precision", "recall") for each in (effect, bank)]
        cells.append((*about, shown(row["jacobians"], 1), *figures, signed(effect["fid"])))
    heads = ("rho", "tilt", "Jacobians a draw", "precision", "bank's", "recall", "bank's", "FID")
    return (
        "each figure of `online` is a change against the model's own prior on the same seeds, each of the bank's a "
        f"change against its control.\n\n{table(heads, cells)}\n\n"
        "![Precision and recall of both samplers](paper/online.png)"
    )


def claims(results: Results) -> list[Claim]:
    """Algorithm 2."""
    parts = []
    for row in (row for row in results["rows"] if row["rho"]):
        for metric in ("precision", "recall"):
            fresh, bank = (row[which][JUDGED][metric] for which in ("effect", "bank's effect"))
            if clear(bank):
                parts.append(Part(f"{metric}, rho {row['rho']:g}", minus(fresh, bank), 0, SHARE * abs(bank["mean"])))
    says = "sampling online moves precision and recall as drawing from a bank does"
    by = f"effect of fresh draws less that of a bank's, within {SHARE:g} of the latter, where that is clear of 0"
    return [Claim("A.1", "Alg. 2", says, by if parts else "no effect of a bank is clear of 0", tuple(parts))]


if __name__ == "__main__":
    experiment("online", "Fig. 1", run)
