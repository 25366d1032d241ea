"""The likelihood of what a trained NVAE draws, under that NVAE: C.4 of the paper's supplement.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/paper/likelihood.py [--quick]

The NVAE of `benchmarks/trained`, at temperature 1 and at the nine rho of C.4, in pixel space, with five banks of
2,000. A rho that they don't support is out of reach, and the row has its ESS. A draw's picture is a digit of black
and white pixels by the probabilities that the decoder gives. Its negative log-likelihood in bits a pixel is bounded
from above by importance sampling with 50 draws from the encoder (Burda et al. 2016), by the stock network's own
forward pass, as in `test` of its train.py. The batch norm of this network is readjusted to temperature 0.7, after its
encoder had been trained beside another: the bound holds, and is looser than that of the network as it was trained.
Test digits stand beside the draws.
"""

from __future__ import annotations

from functools import partial
from math import log
from pathlib import Path
from typing import Any

import scene as shared
import torch
from claims import Claim, Part, at_the_end
from data import grey
from scene import Pieces, Scene, averaged, experiment, interval, trust
from telling import Results, ess, shown, signed, table
from torch import Tensor
from trained_networks import trained_scene

RHOS = (-5.0, -1.0, -0.5, -0.1, -0.05, 0.0, 0.05, 0.1, 0.5, 1.0, 5.0)
"""The paper's nine, and two that are nearer to 0."""
ROWS, DRAWS, SAMPLES, BATCH = 2_000, 500, 50, 100
"""Latents of a bank, draws of it, draws from the encoder, pictures at once."""
BORDER = 2
"""Pixels around a digit: the network takes 32 x 32."""


def run(quick: bool) -> dict[str, Any]:
    if not quick:
        shared.ROWS = ROWS
    scene, pieces = trained_scene("nvae", temperature=1.0), Pieces("likelihood")
    rows = []
    for rho in RHOS[::4] if quick else RHOS:
        rows.append(pieces(scene, f"rho{rho:g}", partial(_row, scene, rho, 20 if quick else DRAWS)))
        print(f"rho {rho:g}: {rows[-1].get('bits', {}).get('mean', 'out of reach')}", flush=True)
    digits = pieces(scene, "test-digits", partial(_of_digits, scene, 20 if quick else DRAWS))
    return {"rows": rows, "test digits": digits}


def _of_digits(scene: Scene, count: int) -> dict[str, Any]:
    """Bits a pixel of test digits, other ones for each bank."""
    pixels = torch.nn.functional.pad((grey("test") + 1) / 2, [BORDER] * 4)
    parts = [pixels[index * count : (index + 1) * count] for index in range(shared.BANKS)]
    return interval([_bits(scene.generator.network, part, index) for index, part in enumerate(parts)])


def _row(scene: Scene, rho: float, count: int) -> dict[str, Any]:
    """Bits a pixel of draws at rho, and those less the control's; neither where some bank does not support it."""
    drawn = [scene.polarised(index, rho) for index in range(shared.BANKS)]
    reports = [trust(report) for *_, report in drawn]
    row: dict[str, Any] = {"rho": rho}
    row |= averaged(reports)
    if row["within_limits"] < 1:
        return row
    bits: tuple[list[float], list[float]] = ([], [])
    for index, (*both, _) in enumerate(drawn):
        for kept, picked in zip(bits, both, strict=True):
            latents = scene.generator.prior.draw(scene.bank(index).seeds[picked[:count]])
            images = (scene.generator(latents, batch_size=BATCH) + 1) / 2
            kept.append(_bits(scene.generator.network, images, index))
    return {**row, "bits": interval(bits[0]), "effect": interval([a - b for a, b in zip(*bits, strict=True)])}


def _bits(network: Any, images: Tensor, index: int) -> float:
    """The mean of the bound on -log2 p(x) a pixel, over images [n, 1, H, W] in [0, 1]."""
    ink = torch.bernoulli(images, generator=torch.Generator().manual_seed(index))
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(index)  # of the stock posterior, which knows no other stream
        found = torch.cat([_log_likelihood(network, part) for part in ink.split(BATCH)])
    pixels = 28 * 28 if network.crop_output else ink[0].numel()
    return float(-found.mean() / log(2) / pixels)


def _log_likelihood(network: Any, x: Tensor) -> Tensor:
    """Importance-weighted bounds on log p(x), float64 [n]."""
    from utils import log_iw  # of the checkout

    terms = []
    for _ in range(SAMPLES):
        logits, log_q, log_p, _, _ = network(x)
        terms.append(log_iw(network.decoder_output(logits), x, log_q, log_p, crop=network.crop_output))
    return torch.logsumexp(torch.stack(terms).double(), 0) - log(SAMPLES)


def tell(results: Results, pictures: Path) -> str:
    """Bits by rho."""
    cells = []
    for row in results["rows"]:
        figures = (shown(row["bits"], 4), signed(row["effect"], 4)) if "bits" in row else ("out of reach", "")
        cells.append((f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row), *figures))
    heads = ("rho", "tilt", "ESS", "bits a pixel", "against the control")
    beside = shown(results["test digits"], 4)
    return f"an upper bound, of the trained NVAE's own draws; of test digits it is {beside}.\n\n{table(heads, cells)}"


def claims(results: Results) -> list[Claim]:
    """C.4."""
    rows = results["rows"]
    parts: list[Part] = [at_the_end(rows, sign, "NVAE", lambda row: row["effect"], sign) for sign in (-1, 1)]
    says = "an NVAE's draws are likelier at rho < 0, and less likely at rho > 0"
    return [Claim("C.4", "", says, "bits a pixel, against the control", tuple(parts))]


if __name__ == "__main__":
    experiment("likelihood", "C.4", run)
