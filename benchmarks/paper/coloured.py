"""Polarity under a shift of the test set, and the likelihood of its draws: Fig. 14, C.1 and C.4 of the paper.

    python benchmarks/paper/coloured.py [--quick]

``mnist:coloured``, a hierarchical autoencoder trained on digits whose hues favour blue, against test digits with the
same hues, and with uniform ones. The negative log-likelihood of 1,000 draws at the nine rho of C.4, in bits a
dimension, is bounded from above by importance sampling with 50 draws from the encoder. The paper's closing sentence
says 'lower likelihood' of both signs, against its own figures: for rho < 0 it must be higher.
"""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import numpy as np
import scene as shared
import torch
from claims import Claim, Part, at_the_end
from polarprior.images.pictures import from_uint8, to_uint8
from scene import TILTS, Real, Scene, averaged, experiment, interval, polarity_row, trust
from telling import Results, ess, gain, shown, signed, table, told
from torch import Tensor

RHOS = (-5.0, -1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0, 5.0)
SAMPLES, DRAWS = 50, 1000
COLOURS = "torch:coloured:colours"


def run(quick: bool) -> dict[str, Any]:
    scene = Scene("mnist:coloured")
    shared.SPACES = ("mnist:classifier", COLOURS)
    rows = []
    for hues in ("normal", "uniform"):
        real = Real.coloured_digits(scene, hues)
        for tilt in TILTS[:: 5 if quick else 1]:
            rows.append({"hues": hues, **polarity_row(scene, real, scene.rho_of(tilt))})
            print(f"test hues {hues}: {told(rows[-1])}", flush=True)
    likelihoods = []
    for rho in RHOS[::4] if quick else RHOS:
        bits, controls, reports = [], [], []
        for index in range(shared.BANKS):
            drawn, permuted, report = scene.polarised(index, rho)
            reports.append(trust(report))
            for kept, picked in ((bits, drawn), (controls, permuted)):
                kept.append(_bits(scene, picked[: 50 if quick else DRAWS], index))
        row: dict[str, Any] = {"rho": rho}
        row |= averaged(reports)
        row["bits"] = interval(bits)
        row["effect"] = interval([each - other for each, other in zip(bits, controls, strict=True)])
        likelihoods.append(row)
        print(f"rho {rho:g}: {row['bits']['mean']:.4f} ± {row['bits']['half']:.4f} bits a dimension", flush=True)
    return {"rows": rows, "likelihoods": likelihoods}


def colours() -> torch.nn.Module:
    """A feature map that sees colours alone: the mean of each channel, weighted by ink, and the three products."""
    return _Colours()


class _Colours(torch.nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        ink = (images + 1).sum((2, 3))
        share = ink / ink.sum(1, keepdim=True).clamp_min(1e-3)
        return torch.cat([share, share * share.roll(1, 1)], 1)


def _bits(scene: Scene, picked: np.ndarray, index: int) -> float:
    """Mean over the draws of -log2 p(x) / D, p by `SAMPLES` draws from the posterior (Burda et al. 2016)."""
    network: Any = scene.generator.network
    rows, counts = np.unique(picked, return_counts=True)
    latents = scene.generator.prior.draw(scene.bank(index).seeds[rows])
    images = from_uint8(to_uint8(scene.generator(latents)))
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        terms = []
        for _ in range(SAMPLES):
            z, ratio = network.posterior(images, noise)
            terms.append(network.log_likelihood(images, z) + ratio)
    estimate = torch.logsumexp(torch.stack(terms).double(), 0) - log(SAMPLES)
    mean = (estimate * torch.from_numpy(counts)).sum() / counts.sum()
    return float(-mean / log(2) / images[0].numel())


def tell(results: dict[str, Any], pictures: Path) -> str:
    """A table for the two test sets, and one of likelihoods."""
    cells = []
    for row in results["rows"]:
        about = (row["hues"], f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row))
        seen, effect = row["metrics"][COLOURS], row["effect"][COLOURS]
        figures = [
            text
            for name in ("fid", "precision", "recall")
            for text in (shown(seen[name], 4), signed(effect[name], 4))
        ]
        cells.append((*about, *figures))
    heads = [text for name in ("FID", "precision", "recall") for text in (f"{name} of colours", "effect")]
    heads = ["test hues", "rho", "tilt", "ESS", *heads]
    bits = [
        (f"{row['rho']:g}", ess(row), shown(row["bits"], 4), signed(row["effect"], 4))
        for row in results["likelihoods"]
    ]
    return (
        "test hues *normal* are spread as the training set's, *uniform* more evenly. All figures are of colours "
        "alone, since a classifier of digits sees grey pictures, and can't tell the two test sets apart.\n\n"
        f"{table(heads, cells)}\n\nBits a dimension of draws, an upper bound:\n\n"
        f"{table(('rho', 'ESS', 'bits', 'against its control'), bits)}"
    )


def claims(results: Results) -> list[Claim]:
    """Fig. 14 and C.4."""
    shifted = [row for row in results["rows"] if row["hues"] == "uniform"]
    change = gain(shifted, lambda row: row["metrics"][COLOURS]["fid"])
    lines = results["likelihoods"]
    return [
        Claim(
            "C.1",
            "Fig. 14",
            "some rho other than 0 brings draws nearer to a test set whose hues are spread more evenly",
            "Fréchet distance of colours at the rho other than 0 that is best on other banks, less that at rho 0",
            (Part("uniform hues", change, -1, chosen=True),),
        ),
        Claim(
            "C.4",
            "",
            "draws are likelier at rho < 0, and less likely at rho > 0",
            "bits a dimension, against the control",
            tuple(at_the_end(lines, sign, "an autoencoder", lambda row: row["effect"], sign) for sign in (-1, 1)),
        ),
    ]


if __name__ == "__main__":
    experiment("coloured", "Fig. 14, C.1, C.4", run)
