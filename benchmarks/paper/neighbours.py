"""How near modes and anti-modes are to training images: Fig. 6 and 15 of the paper.

    python benchmarks/paper/neighbours.py [--quick]

1,000 draws each of ``mnist:wgan`` and ``mnist:vae`` at the limits of rho, at a tilt that both support, at 0, and at
the paper's -5 and 1, which are beyond them: there rows are the bank's extremes, not the law. Modes are the latents of
lowest log-volume of each bank, as `polarprior modes` shows them. Distances are Euclidean, of pixels in [0, 1] at
28 x 28, to the 3 nearest training images. Each row has its control: the same weights, permuted over the latents.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from scipy.stats import binomtest
from telling import Results, above, edge, ess, shown, signed, table

EDITION = 3
DRAWS, MODES = 1000, 100
TILT = -0.9
"""Towards the modes, as far as the banks of both models go."""
COPIED, FEW = 0.5, 0.005
"""How much nearer a training image is to its copy than to its like, and a share of copies that is small."""


def run(quick: bool) -> dict[str, Any]:
    training = (grey("train").flatten(1) + 1) / 2
    rows, modes = [], {}
    for model in ("mnist:wgan", "mnist:vae"):
        scene = Scene(model)
        lower, upper = scene.limits()
        for rho in (-5.0, floor_to(lower), scene.rho_of(TILT), 0.0, floor_to(upper), 1.0):
            found, controls, reports, ones, copies = [], [], [], [], []
            for index in range(shared.BANKS):
                drawn, permuted, report = scene.polarised(index, rho)
                for kept, picked in ((found, drawn), (controls, permuted)):
                    seeds = scene.bank(index).seeds[picked[:DRAWS]]
                    images = scene.generator(scene.generator.prior.draw(seeds))
                    near = nearest(training, (images.flatten(1) + 1) / 2, 3).distances
                    kept.append(near.mean(1).numpy())
                    if kept is found:
                        first = np.unique(seeds, return_index=True)[1]  # a latent that is drawn often counts once
                        copies.append((near[first, 0] < COPIED * near[first, 1]).double().numpy())
                        ones.append(_ones(scene, images))
                reports.append(trust(report))
            row: dict[str, Any] = {"model": model, "rho": rho}
            row |= averaged(reports)
            row["distance"] = interval([float(each.mean()) for each in found])
            row["effect"] = interval(
                [float(each.mean() - other.mean()) for each, other in zip(found, controls, strict=True)]
            )
            row |= {"ones": interval(ones), "copies": interval([float(each.mean()) for each in copies])}
            row["seen"] = sum(map(len, copies))
            row["histogram"] = np.histogram(np.concatenate(found), bins=np.linspace(0, 12, 49))[0].tolist()
            rows.append(row)
            print(
                f"{model} rho {rho:g}: distance {row['distance']['mean']:.3f} ± {row['distance']['half']:.3f}, "
                f"against its control {row['effect']['mean']:+.3f} ± {row['effect']['half']:.3f}, "
                f"ones {row['ones']['mean']:.2f}, within limits {row['within_limits']:g}",
                flush=True,
            )
        seeds_of = [_modes(scene.bank(index), scene.drawn_k) for index in range(shared.BANKS)]
        modes[model] = interval(
            [_ones(scene, scene.generator(scene.generator.prior.draw(each))) for each in seeds_of]
        )
        print(f"{model}, modes: {modes[model]['mean']:.2f} ones", flush=True)
    return {"rows": rows, "ones of modes": modes}


def _modes(bank: pp.Bank, k: int) -> np.ndarray:
    """Seeds of the latents of lowest log-volume."""
    volumes = bank.log_volume(k)
    return bank.seeds[np.where(np.isfinite(volumes), volumes, np.inf).argsort()[:MODES]]


def _ones(scene: Scene, images: torch.Tensor) -> float:
    """The share of images that the classifier reads as ones."""
    seen = pp.feature_map(scene.generator, "mnist:classifier-logits")(images).argmax(1)
    return float((seen == 1).double().mean())


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
    alike = [min(rows, key=lambda row: abs(row["tilt"] - TILT)) for rows in (vae, gan)]
    trusted = all(row["within_limits"] == 1 for row in alike)
    both = minus(*(row["effect"] for row in alike)) if trusted else None
    ones = results["ones of modes"][models[1]]
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
            f"{nearer}, at equal tilt",
            (Part(f"the VAE less the GAN, tilt {TILT:g}", both, -1),),
        ),
        Claim(
            "5.1",
            "Fig. 4",
            f"fewer than one draw in {1 / FEW:g} is a training image",
            f"distinct draws less than {COPIED:g} times as far from one training image as from all others; binomial",
            tuple(_copied(rows, sign, of) for rows, of in ((gan, "the GAN"), (vae, "the VAE")) for sign in (-1, 1)),
        ),
        Claim(
            "5.1",
            "Fig. 5, 12",
            "a VAE's modes are mostly ones",
            f"share of ones among the {MODES} latents of lowest log-volume of each bank, less a half; binomial",
            (
                Part(
                    "the VAE",
                    above(ones, 0.5),
                    1,
                    exact=_binomial(ones["mean"], MODES * len(ones["values"]), 0.5, "two-sided"),
                ),
            ),
        ),
    ]


def _copied(rows: Sequence[Results], sign: int, name: str) -> Part:
    """The share of draws that are copies, at the furthest rho on one side that all banks support."""
    row = edge(rows, sign)
    if row is None:
        return Part(name, None, 0, FEW)
    share = row["copies"]["mean"]
    exact = _binomial(share, row["seen"], FEW, "less" if share < FEW else "two-sided")
    return Part(f"{name}, rho {row['rho']:g}", row["copies"], 0, FEW, exact=exact)


def _binomial(share: float, of: int, level: float, alternative: str) -> float:
    return float(binomtest(round(share * of), of, level, alternative).pvalue)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    experiment("neighbours", "Fig. 6, 15", run)
