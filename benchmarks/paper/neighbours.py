"""How near modes and anti-modes are to training images: Fig. 6 and 15 of the paper.

    python benchmarks/paper/neighbours.py [--quick]

1,000 draws each of ``mnist:wgan`` and ``mnist:vae`` at the limits of rho, at 0, and at the paper's -5 and 1, which
are beyond them: there the rows are the bank's extremes, not the law. Distances are Euclidean, of pixels in [0, 1] at
28 x 28, to the 3 nearest training images. Each row has its control: the same weights, permuted over the latents.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import scene as shared
import torch
from data import grey
from matplotlib.figure import Figure
from polarprior.law.limits import floor_to
from polarprior.metrics.nearest import nearest
from scene import Scene, experiment, interval, minus, trust
from telling import Results, edge, shown, side, signed, table, verdict

DRAWS = 1000


def run(quick: bool) -> dict[str, Any]:
    training = (grey("train").flatten(1) + 1) / 2
    rows = []
    for model in ("mnist:wgan", "mnist:vae"):
        scene = Scene(model)
        limits = pp.latent_sampler(scene.generator, scene.bank(0), 0.0).diagnostics.limits
        for rho in (-5.0, floor_to(limits.lower), 0.0, floor_to(limits.upper), 1.0):
            found, controls, reports, ones = [], [], [], []
            for index in range(shared.BANKS):
                drawn, permuted, report = scene.polarised(index, rho)
                for kept, picked in ((found, drawn), (controls, permuted)):
                    seeds = scene.bank(index).seeds[picked[:DRAWS]]
                    images = scene.generator(scene.generator.prior.draw(seeds))
                    kept.append(nearest(training, (images.flatten(1) + 1) / 2, 3).distances.mean(1).numpy())
                    if kept is found:
                        seen = pp.feature_map(scene.generator, "mnist:classifier-logits")(images).argmax(1)
                        ones.append(float((seen == 1).double().mean()))
                reports.append(trust(report))
            row: dict[str, Any] = {"model": model, "rho": rho}
            row |= {name: float(np.mean([each[name] for each in reports])) for name in reports[0]}
            row["distance"] = interval([float(each.mean()) for each in found])
            row["effect"] = interval(
                [float(each.mean() - other.mean()) for each, other in zip(found, controls, strict=True)]
            )
            row["ones"] = interval(ones)
            row["histogram"] = np.histogram(np.concatenate(found), bins=np.linspace(0, 12, 49))[0].tolist()
            rows.append(row)
            print(
                f"{model} rho {rho:g}: distance {row['distance']['mean']:.3f} ± {row['distance']['half']:.3f}, "
                f"against its control {row['effect']['mean']:+.3f} ± {row['effect']['half']:.3f}, "
                f"ones {row['ones']['mean']:.2f}, within limits {row['within_limits']:g}",
                flush=True,
            )
    return {"rows": rows}


def tell(results: Results, pictures: Path) -> str:
    """Distances to training images, and the share of ones."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    models = list(dict.fromkeys(row["model"] for row in results["rows"]))
    cells = []
    for model, panel in zip(models, panels, strict=True):
        rows = [row for row in results["rows"] if row["model"] == model]
        plain = next(row for row in rows if row["rho"] == 0)
        for row in rows:
            total = sum(row["histogram"])
            places = [12 / len(row["histogram"]) * (i + 0.5) for i in range(len(row["histogram"]))]
            law = "" if row["within_limits"] == 1 or row["rho"] == 0 else " (the bank's extremes, not the law)"
            panel.plot(places, [each / total for each in row["histogram"]], label=f"rho {row['rho']:g}{law}", lw=1)
            ones = minus(row["ones"], plain["ones"])
            about = (model, f"{row['rho']:g}", f"{row['tilt']:.2f}", f"{row['ess']:.0f}")
            figures = (shown(row["distance"]), signed(row["effect"]), shown(row["ones"], 2))
            nearer = row["effect"], 1 if row["rho"] > 0 else -1
            more = ones, -1 if row["rho"] > 0 else 1
            cells.append((*about, *figures, side(row, *nearer), side(row, *more)))
        panel.set(title=model, xlabel="distance to 3 nearest training images")
        panel.legend(fontsize=6)
    figure.savefig(pictures / "neighbours.png", dpi=110)
    gan, vae = (edge([row for row in results["rows"] if row["model"] == model], -1) for model in models)
    heads = ("model", "rho", "tilt", "ESS", "distance", "against its control", "ones", "nearer to modes", "ones")
    more = minus(vae["effect"], gan["effect"]) if gan and vae else {"mean": 0.0, "half": 0.0}
    return (
        f"{verdict(more, -1)}: at their lowest rho the VAE's effect less the GAN's is {signed(more)} (below 0 where "
        "the VAE's draws come nearer by more). In the table, whether draws are nearer towards the modes than their "
        "control, and ones more frequent than at rho 0."
        f"\n\n{table((*heads[:-1], 'more ones'), cells)}\n\n"
        "![Distances to the nearest training images](paper/neighbours.png)"
    )


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    experiment("neighbours", "Fig. 6, 15", run)
