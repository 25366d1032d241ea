"""What the laws at rho -0.5 look like themselves, where no bank reaches and streams end: Markov chains on the faces.

    python benchmarks/chains.py [--out docs] [--quick]

Writes `chains.png` and prints, for each law, log-volumes, |z| and contrast in the last two quarters of the chains:
where they differ the chains still drift, and show less than the law does. Two processes, 25 CPU minutes.
"""

from __future__ import annotations

import argparse
import warnings
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polarprior as pp
import torch
from polarprior.bank.bank import Bank
from polarprior.images.pictures import captioned_grid, png_bytes, to_uint8
from polarprior.law.geometry import length
from polarprior.law.image_statistics import contrast, measured, named_statistics
from polarprior.law.law import resolve
from polarprior.law.rows import Source, rows_of_bank
from polarprior.samplers.true_volumes import VolumeSolver
from polarprior.surrogate.features import FeaturesOf
from polarprior.surrogate.surrogate import surrogate_of

MODEL, K, RHO = "dcgan-faces", 30, -0.5
SEEDS = range(100_000, 100_008)
STEPS, INNER = 500, 3
WARMING = 0.4
"""Share of the steps in which rho goes from 0 to its value, and the length of a move is set."""
MOVED = 0.2
"""Share of inner moves that the length is set for."""
LAWS = {
    "prior": ("prior", ()),
    "shell": ("shell", ()),
    "shell, light held": ("shell", ("contrast", "brightness")),
}


class Points(NamedTuple):
    """Latents z [n, 100], and what one forward pass tells of each: l_k guessed, what is held, contrast."""

    z: torch.Tensor
    guess: np.ndarray
    held: np.ndarray
    contrast: np.ndarray

    def move(self, rows: np.ndarray, to: Points) -> None:
        """Put these rows where `to` has them."""
        for mine, its in zip(self, to, strict=True):
            mine[rows] = its[rows]


class Drawn(NamedTuple):
    """The chains' last z [n, 100]; l_k, |z| and contrast of the chains at each step, [steps, n] each."""

    z: torch.Tensor
    log_volume: np.ndarray
    radius: np.ndarray
    contrast: np.ndarray


def chains(support: str, hold: tuple[str, ...], steps: int, seeds: range) -> Drawn:
    """Chains that leave the law p(z) exp(rho · l) on its support as it is.

    Moves are those of pCN, which leave the normal prior as it is (Cotter and others, MCMC methods for functions,
    2013). `INNER` of them, accepted by what the surrogate says of l, are a proposal that the true l then accepts or
    not (Christen, Fox: MCMC using an approximation, 2005).
    """
    torch.set_num_threads(1)
    generator = pp.load(MODEL, "cpu")
    bank = Bank.open(generator.default_bank, cached=False)
    known = rows_of_bank(bank, K, None, bank.rows_of(None), hold, Source(generator))
    law = resolve(RHO, K, known, support=support, held=len(hold))
    surrogate, features_of, statistics = (
        surrogate_of(generator, bank, K),
        FeaturesOf(generator),
        named_statistics(hold),
    )
    true_volume = VolumeSolver(generator, pp.jacobian_fn(generator, bank.info.space, bank.info.domain), K, "exact")
    random = torch.Generator().manual_seed(0)

    def looked_at(z):
        features = features_of(pp.Latents(z))
        held = measured(statistics, features.images)
        return Points(z, surrogate(features), held, contrast(features.images).numpy())

    def accepted(log_ratio):
        return np.log(torch.rand(len(log_ratio), generator=random).numpy()) < log_ratio

    here = looked_at(generator.prior.draw(seeds).z)
    volume = true_volume(pp.Latents(here.z))
    stride, records = 0.4, []
    for step in range(steps):
        share = min(1.0, step / (WARMING * steps))
        there, moves = deepcopy(here), []
        for _ in range(INNER):
            next_z = (1 - stride**2) ** 0.5 * there.z + stride * torch.randn(there.z.shape, generator=random)
            proposed = looked_at(next_z)
            gain = law.log_weight(proposed.guess, proposed.held) - law.log_weight(there.guess, there.held)
            moved = law.support.contains(length(next_z)) & accepted(share * gain)
            there.move(moved, proposed)
            moves.append(moved.mean())
        rows = np.flatnonzero((there.z != here.z).any(1).numpy())
        if rows.size:
            volume_there = volume.copy()
            volume_there[rows] = true_volume(pp.Latents(there.z[rows]))
            true = law.log_weight(volume_there, there.held) - law.log_weight(volume, here.held)
            guessed = law.log_weight(there.guess, there.held) - law.log_weight(here.guess, here.held)
            kept = rows[accepted(share * (true - guessed)[rows])]
            here.move(kept, there)
            volume[kept] = volume_there[kept]
        if share < 1:
            stride = float(np.clip(stride * np.exp(0.1 * (np.mean(moves) - MOVED)), 0.1, 0.9))
        records.append((volume.copy(), length(here.z).ravel(), here.contrast.copy()))
    return Drawn(here.z, *(np.array(column) for column in zip(*records, strict=True)))


def _stretched(images: np.ndarray) -> np.ndarray:
    """Each image with its 99th percentile at white."""
    top = np.quantile(images, 0.99, axis=(1, 2, 3), keepdims=True)
    return (images * (255 / np.maximum(top, 1.0))).clip(0, 255).astype(np.uint8)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--quick", action="store_true", help="two seeds, 20 steps")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # these are the laws that polarprior warns of
    seeds, steps = (SEEDS[:2], 20) if asked.quick else (SEEDS, STEPS)
    generator = pp.load(MODEL, "cpu")
    surrogate_of(generator, Bank.open(generator.default_bank, cached=False), K)  # kept before processes ask for it
    stock = to_uint8(generator(generator.prior.draw(seeds)))
    rows, captions = [stock], [("rho 0", "the model's own")]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        running = {name: pool.submit(chains, *law, steps, seeds) for name, law in LAWS.items()}
        for name, future in running.items():
            drawn = future.result()
            images = to_uint8(generator(pp.Latents(drawn.z)))
            volumes, radii = drawn.log_volume[-1], drawn.radius[-1]
            figures = f"l {volumes.min():.0f} to {volumes.max():.0f}\n|z| {radii.min():.1f} to {radii.max():.1f}"
            rows += [images, _stretched(images)]
            captions += [(name, figures), ("", "the same pictures,\nlight stretched")]
            quarter = steps // 4
            for when, part in (("third", slice(-2 * quarter, -quarter)), ("last", slice(-quarter, None))):
                means = (f"{each[part].mean():.3g} ± {each[part].std():.2g}" for each in drawn[1:])
                print(name, f"| {when} quarter | l, |z|, contrast:", ", ".join(means), flush=True)
    title = (
        f"{MODEL}, rho {RHO:g}, k = {K}: a chain of {steps} steps for each column, its last latent. "
        "The laws themselves,\n"
        "without a bank's or a stream's end: dark on the shell too; with contrast and brightness held they are not."
    )
    marks = [np.zeros(len(seeds), bool)] * len(rows)
    picture = captioned_grid(rows, captions, title, [f"seed {seed}" for seed in seeds], marks)
    (asked.out / "chains.png").write_bytes(png_bytes(picture))


if __name__ == "__main__":
    main()
