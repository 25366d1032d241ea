"""Do the README's examples say something on any model? The same commands, with the same tilts, on four of them.

    python benchmarks/first_draws.py [--json FILE] [--pictures FOLDER]

The face generator with its bank, ``mnist:style``, a small StyleGAN3 of random weights and a user's own convolutional
network of 64 latents, with banks of 1,000 (StyleGAN3: 400, at 16 pixels). Each example draws 16 seeds; what is said
is the first line that the command prints, and a figure is the share of the seeds whose picture is another, by more
than a tenth of the range of values in the mean. Needs a checkout of StyleGAN3 (`make vendor`), 8 minutes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from polarprior_benchmarks.reporting import Report

SEEDS = "0-15"
EXAMPLES = {
    "--tilt=-0.5": ("--tilt=-0.5",),
    "--tilt=0.7 --sampler online": ("--tilt=0.7", "--sampler", "online"),
    "--tilt=1 --hold contrast,brightness": ("--tilt=1", "--hold", "contrast,brightness"),
}
"""The README's `polarprior sample`."""
OWN = """
import torch, polarprior as pp
from torch import nn
def make():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(
            nn.Unflatten(1, (64, 1, 1)), nn.ConvTranspose2d(64, 64, 4), nn.ReLU(),
            nn.ConvTranspose2d(64, 32, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(),
            nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh(),
        )
        for each in network:
            if isinstance(each, nn.ConvTranspose2d):
                nn.init.normal_(each.weight, std=(2 / (each.in_channels * 4)) ** 0.5)
    return pp.wrap(network, latent_dim=64)
"""
VISIBLE = 0.1


def models(folder: Path) -> dict[str, str]:
    """What the command line calls them, by what people do; those that can be had here."""
    (folder / "own_network.py").write_text(OWN)
    found = {"faces": "dcgan-faces", "digits": "mnist:style", "own": "torch:own_network:make"}
    vendor = os.environ.get("POLARPRIOR_VENDOR", str(Path(__file__).parents[1] / ".vendor"))
    checkout = Path(vendor) / "stylegan3"
    if checkout.is_dir():
        make = [
            sys.executable,
            "-m",
            "polarprior_stylegan2.small",
            "stylegan3",
            str(folder / "small.pkl"),
            "--resolution",
            "16",
        ]
        made = subprocess.run(make, env={**os.environ, "PYTHONPATH": str(checkout)}, stdout=subprocess.DEVNULL)
        if made.returncode == 0:
            os.environ["PYTHONPATH"] = str(checkout)
            found["stylegan3"] = f"stylegan3:{folder / 'small.pkl'}"
    return found


def typed(folder: Path, *words: str) -> tuple[int, str, str]:
    """A command of polarprior in a folder."""
    command = [sys.executable, "-m", "polarprior", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def visibly_other(one: Path, other: Path) -> float:
    """Share of the pictures that are others."""
    pairs = [
        (np.asarray(Image.open(each), float), np.asarray(Image.open(other / each.name), float))
        for each in sorted(one.glob("seed*.png"))
    ]
    return float(np.mean([np.abs(a - b).mean() > VISIBLE * 255 / 2 for a, b in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path, help="keep the sheets there")
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        for name, model in models(folder).items():
            bank: tuple[str, ...] = ()
            if name != "faces":
                bank = ("--bank", f"{name}.safetensors")
                rows = "400" if name == "stylegan3" else "1000"
                build = ("bank", "build", model, "-n", rows, "-k", "10", "--device", "cpu", "--out", bank[1])
                code, _, err = typed(folder, *build)
                assert code == 0, err
            common = (model, *bank, "--seeds", SEEDS, "--device", "cpu")
            assert (
                typed(folder, "sample", model, "--seeds", SEEDS, "--device", "cpu", "--out", f"{name}-plain")[0] == 0
            )
            for shown, words in EXAMPLES.items():
                out = f"{name}-{len(report.rows)}"
                code, said, err = typed(folder, "sample", *common, *words, "--out", out)
                if code:
                    report.add(f"{name}: {shown}", 0.0, "", "> 0", False, err.strip().splitlines()[-2][:120])
                    continue
                share = visibly_other(folder / f"{name}-plain", folder / out)
                report.add(f"{name}: {shown}", share, "of 16", "> 0", share > 0, said.splitlines()[0])
                if arguments.pictures:
                    arguments.pictures.mkdir(parents=True, exist_ok=True)
                    shutil.copy(folder / out / "samples.png", arguments.pictures / f"{out}.png")
            code, said, err = typed(folder, "modes", model, *bank, "--device", "cpu", "--out", f"{name}-modes")
            report.add(f"{name}: modes", code, "exit", "0", code == 0, (said or err).splitlines()[0][-120:])
            if arguments.pictures and code == 0:
                shutil.copy(folder / f"{name}-modes/modes.png", arguments.pictures / f"{name}-modes.png")
    report.write(arguments.json, Path(__file__).parent)
    sys.exit(any(row["holds"] is False for row in report.rows))


if __name__ == "__main__":
    main()
