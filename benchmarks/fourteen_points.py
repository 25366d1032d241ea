"""What a new user met once, and meets now: fourteen commands and first calls, in two versions of polarprior.

    python benchmarks/fourteen_points.py --before CHECKOUT [--page benchmarks/results/fourteen_points.md]

CHECKOUT is a checkout of an older commit (the page is about 686a659). Each point is typed in a folder with a user's
own module and a bank of it, in both versions; what is printed last is shown. 10 minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PLUGINS = ("dcgan-faces", "stylegan3", "stylegan2", "patches")
USERS = """
import torch, polarprior as pp
from torch import nn
def network():
    return nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 192), nn.Unflatten(1, (3, 8, 8)))
def make():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(network(), latent_dim=16)
def unseeded():
    return pp.wrap(network(), latent_dim=16)
"""
PATCHED = """
import polarprior.stock.patched
import sys
sys.modules["pkg_resources"] = None
import pkg_resources
"""
HEAD = "import torch, numpy as np, polarprior as pp; from torch import nn; from users import *\n"
OWN = "torch:users:make"
SAMPLE = f"polarprior sample {OWN} --bank own"
LINES = 6


class Point(NamedTuple):
    """A point: what it is about, and what is typed: a command, or Python where it begins with a bracket."""

    about: str
    typed: str


POINTS = (
    Point("A rho copied from another model", f"{SAMPLE} --polarity=-0.05 --seeds 0-7 --out a"),
    Point("A patched script without polarity, where a module is missing", "python patched.py"),
    Point("A bare tensor", ">make()(torch.randn(4, 16)).shape"),
    Point("A misspelt option", ">pp.latent_sampler(make(), pp.Bank.open('own'), -0.1, holds='contrast')"),
    Point("A function in place of a module", ">pp.wrap(lambda z: z, 16)"),
    Point("A module of other latents", ">pp.build_bank(pp.wrap(network(), latent_dim=64), 10, 2)"),
    Point("Weights that are made anew at each load", "polarprior bank build torch:users:unseeded -n 60 -k 4 --out b"),
    Point("Seeds that are no rows of the bank", f"{SAMPLE} --polarity=-0.3 --seeds 0-2,700 --out c"),
    Point("The ends of a bank", f"polarprior modes {OWN} --bank own -n 4 --out d"),
    Point("A bank of another model", "polarprior sample dcgan-faces --bank own --polarity=-0.1 --seeds 0 --out e"),
    Point("A checkpoint alone", ">pp.load('tiny.pkl')"),
    Point("The command line as a module", "python -m polarprior --version"),
    Point("What --support is", "polarprior sample --help"),
    Point("What a command says when it is done", f"{SAMPLE} --polarity=-0.5 --seeds 0-7 --out f"),
)  # fmt: skip


def environ(checkout: Path) -> dict[str, str]:
    """The environment that a version of polarprior is imported in, with those plugins that the points need."""
    places = [checkout / "hooks", checkout / "vendor_patches", *(checkout / "polar_plugins").iterdir()]
    others = {point.name for point in entry_points(group="polarprior")} - set(PLUGINS)
    path = os.pathsep.join(map(str, places))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "POLARPRIOR_DISABLE_PLUGINS": ",".join(sorted(others)),
        "COLUMNS": "100",
    }


def said(folder: Path, checkout: Path, typed: str) -> str:
    """What is printed, its last lines; bars are left out."""
    words = shlex.split(typed) if not typed.startswith(">") else [sys.executable, "-c", f"{HEAD}print({typed[1:]})"]
    if words[0] == "polarprior":
        words = [sys.executable, "-m", "polarprior.cli", *words[1:]]
    done = subprocess.run(
        [sys.executable if words[0] == "python" else words[0], *words[1:]],
        cwd=folder, env=environ(checkout), capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    lines = [line.split("\r")[-1] for line in f"{done.stdout}\n{done.stderr}".splitlines()]
    kept = [line[:180] for line in lines if line.strip() and not re.search(r"%\||it/s|: \d+ s$", line)]
    if typed.startswith(">"):  # of a traceback what it ends with
        said_last = [index for index, line in enumerate(kept) if re.match(r"[\w.]+(Error|Exception): ", line)]
        kept = kept[said_last[-1] :] if said_last else kept
    if "--help" in typed:
        start = next((index for index, line in enumerate(kept) if "--support" in line), 0)
        kept = kept[start : start + 4]
    return (
        "\n".join(kept[-LINES:] or ["(nothing)"])
        .replace(str(folder), ".")
        .replace(str(checkout), ".")
        .replace(sys.executable, "python")
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    parts = [
        "# The first ten minutes, before and after\n\n"
        "What a new user types, and is told by an older version and by this one. Written by "
        "`python benchmarks/fourteen_points.py --before CHECKOUT`.\n"
    ]
    with tempfile.TemporaryDirectory() as root:
        for name, checkout in (("before", arguments.before.absolute()), ("now", ROOT)):
            folder = Path(root) / name
            folder.mkdir()
            (folder / "users.py").write_text(USERS)
            (folder / "patched.py").write_text(PATCHED)
            build = f"polarprior bank build {OWN} -n 600 -k 4 --device cpu --out own"
            assert "error" not in said(folder, checkout, build)
        for number, point in enumerate(POINTS, 1):
            shown = point.typed.lstrip(">")
            parts.append(f"## {number}. {point.about}\n\n```\n{shown}\n```\n")
            for name, checkout in (("before", arguments.before.absolute()), ("now", ROOT)):
                parts.append(f"{name}:\n\n```\n{said(Path(root) / name, checkout, point.typed)}\n```\n")
    text = "\n".join(parts)
    print(text)
    if arguments.page:
        arguments.page.write_text(text)


if __name__ == "__main__":
    main()
