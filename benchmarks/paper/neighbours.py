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
from claims import Claim, Part, at_the_end
from data import grey
from matplotlib.figure import Figure
from polarprior.law.limits import floor_to
from polarprior.metrics.nearest import nearest
from scene import Scene, averaged, experiment, interval, minus, trust
from telling import Results, edge, ess, shown, signed, table

EDITION = 2
DRAWS = 1000
COPIED, NONE = 0.5, 0.005
"""How much nearer a training image is to its copy than to its like, and a share of copies that is none."""


def run(quick: bool) -> dict[str, Any]:
    training = (grey("train").flatten(1) + 1) / 2
    rows = []
    for model in ("mnist:wgan", "mnist:vae"):
        scene = Scene(model)
        lower, upper = scene.limits()
        for rho in (-5.0, floor_to(lower), 0.0, floor_to(upper), 1.0):
            found, controls, reports, ones, copies = [], [], [], [], []
            for index in range(shared.BANKS):
                drawn, permuted, report = scene.polarised(index, rho)
                for kept, picked in ((found, drawn), (controls, permuted)):
                    seeds = scene.bank(index).seeds[picked[:DRAWS]]
                    images = scene.generator(scene.generator.prior.draw(seeds))
                    near = nearest(training, (images.flatten(1) + 1) / 2, 3).distances
                    kept.append(near.mean(1).numpy())
                    if kept is found:
                        copies.append(float((near[:, 0] < COPIED * near[:, 1]).double().mean()))
                        seen = pp.feature_map(scene.generator, "mnist:classifier-logits")(images).argmax(1)
                        ones.append(float((seen == 1).double().mean()))
                reports.append(trust(report))
            row: dict[str, Any] = {"model": model, "rho": rho}
            row |= averaged(reports)
            row["distance"] = interval([float(each.mean()) for each in found])
            row["effect"] = interval(
                [float(each.mean() - other.mean()) for each, other in zip(found, controls, strict=True)]
            )
            row["ones"], row["copies"] = interval(ones), interval(copies)
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
        for row in rows:
            total = sum(row["histogram"])
            places = [12 / len(row["histogram"]) * (i + 0.5) for i in range(len(row["histogram"]))]
            law = "" if row["within_limits"] == 1 else " (the bank's extremes, not the law)"
            panel.plot(places, [each / total for each in row["histogram"]], label=f"rho {row['rho']:g}{law}", lw=1)
            about = (model, f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row))
            figures = (shown(row["distance"]), signed(row["effect"]), shown(row["ones"]))
            cells.append((*about, *figures))
        panel.set(title=model, xlabel="distance to 3 nearest training images")
        panel.legend(fontsize=6)
    figure.savefig(pictures / "neighbours.png", dpi=110)
    heads = ("model", "rho", "tilt", "ESS", "distance", "against its control", "ones")
    return (
        f"rows beyond the limits show the extremes of the banks, not the law.\n\n{table(heads, cells)}\n\n"
        "![Distances to the nearest training images](paper/neighbours.png)"
    )


def claims(results: Results) -> list[Claim]:
    """Fig. 5, 6 and 15."""
    models = list(dict.fromkeys(row["model"] for row in results["rows"]))
    gan, vae = ([row for row in results["rows"] if row["model"] == model] for model in models)
    ends = [edge(rows, -1) for rows in (vae, gan)]
    both = None if None in ends else minus(*(row["effect"] for row in ends if row))
    nearer = "distance to the 3 nearest training images, against the control"
    return [
        Claim(
            "5.1",
            "Fig. 6, 15",
            "towards the modes a VAE's draws come nearer to training images",
            nearer,
            (at_the_end(vae, -1, "the VAE", lambda row: row["effect"], -1),),
        ),
        Claim(
            "5.1",
            "Fig. 6, 15",
            "towards the modes a VAE's draws come nearer to training images by more than a GAN's",
            nearer,
            (Part("the VAE less the GAN, each at its lowest rho", both, -1),),
        ),
        Claim(
            "5.1",
            "Fig. 4",
            "no draw is a training image",
            f"share of draws less than {COPIED:g} times as far from one training image as from all others",
            tuple(
                at_the_end(rows, sign, name, lambda row: row["copies"], 0)._replace(negligible=NONE)
                for name, rows in (("the GAN", gan), ("the VAE", vae))
                for sign in (-1, 1)
            ),
        ),
        Claim(
            "5.1",
            "Fig. 5, 12",
            "a VAE's modes are mostly ones",
            "share of ones, less a half",
            (at_the_end(vae, -1, "the VAE", _above_half, 1),),
        ),
    ]


def _above_half(row: Results) -> Results:
    return interval([share - 0.5 for share in row["ones"]["values"]])


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    experiment("neighbours", "Fig. 6, 15", run)
