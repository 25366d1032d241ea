"""The pictures of docs/what-is-sampled.md, and the figures in their captions.

    python benchmarks/law_pictures.py [--out docs] [--quick]

`supports.png`: rho -0.5 on the face generator, drawn in six ways. `hold.png`: a sweep with nothing held beside one
that holds contrast and brightness. 12 CPU minutes.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import polarprior as pp
from PIL import Image
from polarprior.bank.bank import Bank
from polarprior.images.pictures import captioned_grid, png_bytes, to_uint8
from polarprior.law.geometry import Geometry
from polarprior.samplers.leaving import peaks
from polarprior.samplers.true_volumes import LogVolumes
from polarprior.sweeps.sweep import sweep_picture, sweep_rows

MODEL, K, RHO = "dcgan-faces", 30, -0.5
CALIBRATION = 1000
SEEDS = range(100_000, 100_008)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--quick", action="store_true", help="two seeds, nothing held")
    asked = parser.parse_args()
    generator = pp.load(MODEL, "cpu")
    bank = Bank.open(generator.default_bank, cached=False)
    few = Bank.of(bank.info, {name: np.array(column) for name, column in bank.columns(0, CALIBRATION).items()})
    seeds = SEEDS[:2] if asked.quick else SEEDS
    warnings.simplefilter("ignore")  # these are the laws that polarprior warns of
    if not asked.quick:
        _hold(generator, bank, asked.out)
    _supports(generator, bank, few, seeds, asked.out)


def _supports(generator, bank, few, seeds, out):
    rows, captions = [], []

    def row(name, latents, what):
        volumes = LogVolumes(generator, bank, K, pp.jacobian_fn)(latents)
        radius = latents.z.norm(dim=1)
        rows.append(to_uint8(generator(latents)))
        captions.append(
            (
                name,
                f"{what}\nl {volumes.min():.0f} to {volumes.max():.0f}\n|z| {radius.min():.1f} to {radius.max():.1f}",
            )
        )
        print(name, "|", what, "| l", volumes.round(0), "| |z|", radius.numpy().round(1), flush=True)

    row("rho 0", generator.prior.draw(seeds), "the model's own")
    free = pp.latent_sampler(generator, bank, RHO, force=True)
    print(free.diagnostics)
    row("prior", free.sample(seeds), f"bank of {len(bank)}")
    found, _, _ = peaks(generator, bank, RHO, K, pp.jacobian_fn, Geometry.normal(), starts=len(seeds))
    row("prior", pp.Latents(found), "peaks of its density")
    shell = pp.latent_sampler(generator, few, RHO, sampler="online", support="shell", force=True)
    row("shell", shell.sample(seeds), f"online, {CALIBRATION} calibrated")
    print(shell.diagnostics, shell.described()["streams"])
    held = pp.latent_sampler(generator, bank, RHO, support="shell", hold=("contrast", "brightness"), force=True)
    row("shell, held", held.sample(seeds), f"bank of {len(bank)}, light held")
    print(held.diagnostics)
    clamp = pp.latent_sampler(generator, bank, RHO, support="clamp", force=True)
    row("clamp", clamp.sample(seeds), f"bank of {len(bank)}")
    print(clamp.diagnostics)
    title = (
        f"{MODEL}, rho {RHO:g}, k = {K}: what is drawn depends on the support, and on how far a sampler can see.\n"
        f"The bank returns its own extreme; the density itself peaks further out; streams end after 5000 proposals."
    )
    marks = [np.zeros(len(seeds), bool)] * len(rows)
    picture = captioned_grid(rows, captions, title, [f"seed {seed}" for seed in seeds], marks)
    (out / "supports.png").write_bytes(png_bytes(picture))


def _hold(generator, bank, out):
    seeds = bank.seeds[:6].tolist()
    halves = []
    for hold in ((), ("contrast", "brightness")):
        rhos = (-0.097, -0.05, 0.0, 0.1, 0.2, 0.3)
        rows = list(sweep_rows(pp.Host(), generator, bank, rhos, seeds, pp.SamplerOptions(hold=hold, force=True)))
        for each in rows:
            print(each.diagnostics, flush=True)
        halves.append(sweep_picture(rows, seeds, MODEL))
    sheet = Image.new("RGB", (sum(half.width for half in halves), max(half.height for half in halves)), "white")
    for x, half in zip((0, halves[0].width), halves, strict=True):
        sheet.paste(half, (x, 0))
    (out / "hold.png").write_bytes(png_bytes(sheet))


if __name__ == "__main__":
    main()
