"""A newcomer's stopwatch: from `pip install` to the first picture of an own model, and how long stderr is silent.

    python benchmarks/first_minutes.py [--json FILE] [--only install|silence] [--command TEXT]

Install: a fresh environment, the wheel of this checkout and its dependencies by pip (torch from the index that pip is
configured for, at the version of constraints.txt), a bank of 500 latents of a 3 x 32 x 32 network, and 8 pictures at
a tilt. Silence: each command of the pages for a beginner that works on the face generator, its stderr read as it
comes: the longest time without a byte; builds have fewer latents than there. 40 minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from polarprior_benchmarks.reporting import Report
from polarprior_benchmarks.silence import Heard, listen

ROOT = Path(__file__).parents[1]
GOAL, QUIET = 180.0, 3.0
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
    return pp.wrap(network, latent_dim=64)
"""
MY_MODULE = "torch:my_module:make_generator"
COMMANDS = (
    "sample dcgan-faces --tilt=-0.5 --seeds 0-15 --out drawn",
    "sample dcgan-faces --tilt=0.7 --sampler online --seeds 0-15 --out fresh",
    "sample dcgan-faces --tilt=1 --hold contrast,brightness --seeds 0-15 --out held",
    "score dcgan-faces --seeds 0-99",
    "sweep dcgan-faces --out sweep",
    "modes dcgan-faces --out modes",
    "bank build dcgan-faces -n 200 -k 30 --out faces.safetensors",
    "bank info faces.safetensors",
    "bank top faces.safetensors -n 16",
    "bank verify faces.safetensors --model dcgan-faces",
    "seeds faces.safetensors --tilt=0.7 -n 16",
    "sample dcgan-faces --polarity=3 --force --seeds 0-3 --out far",
    "plugins",
    "demo --out demo",
    "sweep dcgan-faces --reference prior --out report",
    "bank build dcgan-faces -n 400 --estimator auto --tol 0.1 --out cheap",
    "bank build dcgan-faces -n 200 --workers 2 --out shards",
    "tune dcgan-faces --reference prior --minimise fid --samples 200 --sets 3",
    "sample dcgan-faces --tilt=-0.3 --seeds 0-4999 --npz samples.npz",
    f"bank build {MY_MODULE} -n 2000 -k 7 --out mine.safetensors",
    f"sweep {MY_MODULE} --bank mine.safetensors --out own",
    "train boltzmann dcgan-faces --iterations 20 --out flow",
)
"""Those of the pages for a beginner, and one beyond the limits."""


def installed(report: Report) -> None:
    """From pip to the first picture."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        (folder / "own_network.py").write_text(OWN)
        began = time.perf_counter()
        venv.create(folder / "venv", with_pip=True, symlinks=True)
        python = folder / "venv/bin/python"
        run(python, folder, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"), str(ROOT))
        report.add("pip install, with torch and all it needs", time.perf_counter() - began, "s")
        begin = time.perf_counter()
        build = "bank build torch:own_network:make -n 500 --device cpu --out own"
        run(python, folder, "-m", "polarprior", *build.split())
        report.add("a bank of 500 latents of a 3 x 32 x 32 network", time.perf_counter() - begin, "s")
        begin = time.perf_counter()
        draw = "sample torch:own_network:make --bank own --tilt=-0.5 --seeds 0-7 --device cpu --out first"
        said = run(python, folder, "-m", "polarprior", *draw.split())
        report.add("8 pictures at a tilt of -0.5", time.perf_counter() - begin, "s", detail=said.splitlines()[0])
        whole = time.perf_counter() - began
        report.add("from pip install to the first picture", whole, "s", f"< {GOAL:g}", whole < GOAL)


def run(python: Path, folder: Path, *words: str) -> str:
    done = subprocess.run([python, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def my_module() -> str:
    """The module of docs/your-own-module.md."""
    blocks = (ROOT / "docs/your-own-module.md").read_text().split("```python\n")[1:]
    return next(block.split("```")[0] for block in blocks if block.startswith("# my_module.py"))


def silent(folder: Path, words: list[str]) -> Heard:
    """A command of polarprior, heard."""
    environ = {**os.environ, "POLARPRIOR_CACHE": str(folder / "cache")}
    return listen([sys.executable, "-m", "polarprior", *words], folder, environ)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=("install", "silence"))
    parser.add_argument("--command", help="Only those that have this text in them.")
    arguments = parser.parse_args()
    report = Report()
    if arguments.only != "silence":
        installed(report)
    if arguments.only != "install":
        folder = Path(tempfile.mkdtemp(prefix="first-minutes-"))
        (folder / "my_module.py").write_text(my_module())
        for each in COMMANDS:
            if arguments.command and arguments.command not in each:
                continue
            heard = silent(folder, each.split())
            name = f"polarprior {each}"[:64]
            report.add(
                name,
                heard.silent,
                "s silent",
                f"<= {QUIET:g}",
                heard.code == 0 and heard.silent <= QUIET,
                f"of {heard.seconds:.0f} s",
            )
        shutil.rmtree(folder)
    report.write(arguments.json, Path(__file__).parent, keep=bool(arguments.only or arguments.command))
    sys.exit(any(row["holds"] is False for row in report.rows))


if __name__ == "__main__":
    main()
