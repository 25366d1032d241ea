"""How near modes and anti-modes are to training images, and what they look like: Fig. 5, 6, 12 and 15 of the paper.

    python benchmarks/paper/neighbours.py [--quick]

1,000 draws each of ``mnist:wgan`` and ``mnist:vae`` at the limits of rho, at 0, and at the paper's -5 and 1, which
are beyond them: there the rows are the bank's extremes, not the law. Distances are Euclidean, of pixels in [0, 1] at
28 x 28, to the 3 nearest training images. Each row has its control: the same weights, permuted over the latents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polarprior as pp
import scene as shared
import torch
from data import grey
from polarprior.law.limits import floor_to
from polarprior.measure.metrics.nearest import nearest
from scene import Scene, experiment, interval, trust

DRAWS = 1000


def run(quick: bool) -> dict[str, Any]:
    training = (grey("train").flatten(1) + 1) / 2
    rows = []
    for model in ("mnist:wgan", "mnist:vae"):
        scene = Scene(model)
        limits = pp.latent_sampler(scene.generator, scene.banks[0], 0.0).diagnostics.limits
        for rho in (-5.0, floor_to(limits.lower), 0.0, floor_to(limits.upper), 1.0):
            found, controls, reports, ones = [], [], [], []
            for index in range(shared.BANKS):
                drawn, permuted, report = scene.polarised(index, rho)
                for kept, picked in ((found, drawn), (controls, permuted)):
                    seeds = scene.banks[index].seeds[picked[:DRAWS]]
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


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    experiment("neighbours", "Fig. 5, 6, 12, 15", run)
