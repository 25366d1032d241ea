"""What a new user met once, and meets now: fourteen points, in two versions of polarprior.

    POLARPRIOR_VENDOR=FOLDER python benchmarks/fourteen_points.py --before CHECKOUT [--page FILE] [--only NUMBER]

CHECKOUT is a checkout of an older commit (`results/fourteen_points.md` is about 686a659); FOLDER holds a checkout of
NVlabs/stylegan3. What is typed is typed in a folder with a user's own module and a bank of it, in both versions; what
is printed last is shown, or how long stderr was silent. 15 minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

from polarprior_benchmarks.silence import listen

ROOT = Path(__file__).parents[1]
PLUGINS = ("dcgan-faces", "stylegan3", "stylegan2", "patches", "perceptual")
USERS = """
import torch, polarprior as pp
from torch import nn
def network():
    return nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 192), nn.Unflatten(1, (3, 8, 8)))
def make():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(network(), latent_dim=16)
def numpy_output():
    class Numpy(nn.Module):
        def forward(self, z):
            return z.detach().numpy().reshape(-1, 1, 4, 4)
    return Numpy()
def labelled():
    class Labelled(nn.Module):
        def forward(self, z, label):
            return z.reshape(-1, 1, 4, 4)
    return Labelled()
def nans():
    class Nans(nn.Module):
        def forward(self, z):
            return z.reshape(-1, 1, 4, 4) / 0
    return Nans()
def unseeded():
    return pp.wrap(network(), latent_dim=16)
"""
PATCHED = """
import polarprior.stock.patched
import sys
sys.modules["pkg_resources"] = None
import pkg_resources
"""
VISIBLE = """
import re, sys
page = re.sub("<style.*?</style>|<svg.*?</svg>", "", open(sys.argv[1]).read(), flags=re.S)
words = [" ".join(each.split()) for each in re.sub("<[^>]*>", "\\n", page).splitlines()]
print("\\n".join([each[:170] for each in words if each][:6]))
"""
WITHOUT = "import sys; sys.modules['imageio_ffmpeg'] = None"
FILES = {
    "users.py": USERS,
    "patched.py": PATCHED,
    "visible.py": VISIBLE,
    "without/sitecustomize.py": WITHOUT,
    "elsewhere/empty": "",
}
HEAD = "import torch, numpy as np, polarprior as pp; from torch import nn; from users import *\n"
OWN = "torch:users:make"
SAMPLE = f"polarprior sample {OWN} --bank own"
FACES = "polarprior sample dcgan-faces"
STYLE = "--network=net.pkl --trunc=0.7"
POLARITY = "--polarity=-0.5 --bank=style.safetensors --force"
BEGIN = (
    f"polarprior bank build {OWN} -n 600 -k 4 --device cpu --out own",
    "python -m polarprior_stylegan2.small stylegan3 net.pkl --resolution 16",
    "polarprior bank build stylegan3:net.pkl -n 200 -k 4 --trunc 0.7 --out style.safetensors",
)
PYTHON, SILENCE = ">", "~"
LINES = 6


class Point(NamedTuple):
    """A point: what it is about, and what is typed: commands; Python behind ``>``; behind ``~`` a command whose
    silence is measured."""

    about: str
    typed: tuple[str, ...]


POINTS = (
    Point("A rho copied from another model", (f"{SAMPLE} --polarity=-0.05 --seeds 0-7 --out a",)),
    Point("A plugin that is not here, and a patched script without polarity", (
        "polarprior sample somebody:net.pkl --seeds 0 --out b",
        "python patched.py",
    )),
    Point("First calls in Python", (
        ">make()(torch.randn(4, 16)).shape",
        ">make().prior.draw(range(4)).shape",
        ">pp.wrap(lambda z: z, 16)",
        ">pp.latent_sampler(make(), pp.Bank.open('own'), -0.1, holds='contrast')",
        ">make().on('cuda')",
        ">pp.build_bank(pp.wrap(numpy_output(), latent_dim=16), 10, 2)",
    )),
    Point("A module of one's own that is not what was said", (
        ">pp.build_bank(pp.wrap(network(), latent_dim=64), 10, 2)",
        ">pp.build_bank(pp.wrap(labelled(), latent_dim=16), 10, 2)",
        ">pp.build_bank(pp.wrap(nans(), latent_dim=16), 10, 2)",
    )),
    Point("Weights that are made anew at each load", (
        "polarprior bank build torch:users:unseeded -n 60 -k 4 --out c",
    )),
    Point("Silence", (
        f"~{FACES} --polarity=0.05 --hold contrast --seeds 0-3 --out d",
        f"~{FACES} --polarity=0.05 --sampler online --seeds 0-3 --out e",
        f"~{FACES} --polarity=3 --force --seeds 0-3 --out f",
        "~polarprior bank build dcgan-faces -n 200 -k 30 --out faces",
    )),
    Point("What a stock run leaves", (
        f"polarprior run stylegan3/gen_images.py {STYLE} --seeds=0-3 --outdir=run {POLARITY}",
        "ls run; python -c \"import json; print(*json.load(open('run/polarprior.json')), sep=', ')\"",
    )),
    Point("Seeds that are no rows of the bank", (f"{SAMPLE} --polarity=-0.3 --seeds 0-2,700 --out g",)),
    Point("The ends of a bank", (f"polarprior modes {OWN} --bank own -n 4 --out h",)),
    Point("A bank of another model, or of other settings", (
        f"{FACES} --bank own --polarity=-0.1 --seeds 0 --out i",
        "polarprior sample stylegan3:net.pkl --bank style.safetensors --trunc 1 --polarity=-0.1 --seeds 0 --out j",
    )),
    Point("A sweep that is interrupted after a minute", (
        "timeout -s INT 60 polarprior sweep dcgan-faces --reference prior --samples 100 --sets 4 --out k; ls k",
    )),
    Point("What was typed nearly right", (
        ">pp.load('tiny.pkl')",
        "polarprior bank build users:make -n 60 --out l",
        "cd elsewhere; polarprior bank build torch:users:make -n 60 --out l",
        f"PYTHONPATH=without:$PYTHONPATH polarprior run stylegan3/gen_video.py {STYLE} --seeds=0,1 --w-frames=2 "
        "--output=video.mp4",
        "python -m polarprior --version",
        ">(callable(pp.score), pp.Bank.open('own').top(2))",
    )),
    Point("Help", (
        "polarprior sample --help | grep -A3 -e ' --support'",
        "polarprior bank build --help | grep -A4 -e ' --space'",
        "polarprior bank build --help | grep -A4 -e ' --estimator'",
    )),
    Point("What a report begins with", (
        f"polarprior sweep {OWN} --bank own --polarity=-0.4,0,0.4 --reference prior --metric-space pixel "
        "--metrics kid --samples 100 --sets 4 --out m",
        "python visible.py m/sweep.html",
    )),
)  # fmt: skip


def environ(checkout: Path, folder: Path) -> dict[str, str]:
    """The environment that a version of polarprior runs in, with those plugins that the points need."""
    places = [checkout / "hooks", checkout / "vendor_patches", *(checkout / "polar_plugins").iterdir()]
    others = {point.name for point in entry_points(group="polarprior")} - set(PLUGINS)
    return {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "POLARPRIOR_CACHE": str(folder / "cache"),
        "POLARPRIOR_DISABLE_PLUGINS": ",".join(sorted(others)),
        "COLUMNS": "100",
    }


def prepare(folder: Path, checkout: Path, vendor: Path) -> None:
    """Write a user's files, and what is there before the first point."""
    programs = {"python": f"exec {sys.executable}", "polarprior": f"exec {sys.executable} -m polarprior.cli"}
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bin").mkdir()
    for name, text in programs.items():
        (folder / "bin" / name).write_text(f'#!/bin/sh\n{text} "$@"\n')
        (folder / "bin" / name).chmod(0o755)
    (folder / "stylegan3").symlink_to(vendor / "stylegan3")
    for command in BEGIN:
        subprocess.run(["bash", "-c", command], cwd=folder, env=environ(checkout, folder), check=True)


def said(folder: Path, checkout: Path, typed: str) -> str:
    """What is printed, its last lines, without bars; or how long there was silence."""
    known = environ(checkout, folder)
    if typed.startswith(SILENCE):
        heard = listen(["bash", "-c", f"exec {typed[1:]}"], folder, known)
        ended = "" if heard.code == 0 else f"; exit code {heard.code}"
        return f"(silent for {heard.silent:.0f} s of {heard.seconds:.0f}{ended})"
    code = typed.startswith(PYTHON)
    words = [sys.executable, "-c", f"{HEAD}print({typed[1:]})"] if code else ["bash", "-c", typed]
    done = subprocess.run(words, cwd=folder, env=known, capture_output=True, text=True, timeout=900)
    lines = [line.split("\r")[-1] for line in f"{done.stdout}\n{done.stderr}".splitlines()]
    kept = [line[:180] for line in lines if line.strip() and not re.search(r"%\||it/s|: \d+ s$", line)]
    if code:  # of a traceback what it ends with
        said_last = [index for index, line in enumerate(kept) if re.match(r"[\w.]+(Error|Exception): ", line)]
        kept = kept[said_last[-1] :] if said_last else kept
    text = "\n".join(kept[-LINES:] or ["(nothing)"])
    places = {sys.executable: "python", sys.prefix: "ENVIRONMENT", str(folder): ".", str(checkout): "."}
    for place, shown in places.items():
        text = text.replace(place, shown)
    return text


def with_others(page: str, parts: list[str]) -> list[str]:
    """The sections of a page, those that were written anew in the place of their namesakes."""
    mark = "\n## "
    new = {section.partition(".")[0]: section for section in "\n".join(parts).split(mark)[1:]}
    head, *sections = page.split(mark)
    kept = [new.get(section.partition(".")[0], section).rstrip("\n") + "\n" for section in sections]
    return [mark.join([head, *kept])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--page", type=Path)
    parser.add_argument(
        "--only", type=int, action="append", help="Points by their numbers; the page keeps the others."
    )
    arguments = parser.parse_args()
    parts = [
        "# The first ten minutes, before and after\n\n"
        "What a new user types, and is told by an older version and by this one. Written by "
        "`python benchmarks/fourteen_points.py --before CHECKOUT`.\n"
    ]
    versions = {"before": arguments.before.absolute(), "now": ROOT}
    with tempfile.TemporaryDirectory() as root:
        for name, checkout in versions.items():
            (Path(root) / name).mkdir()
            prepare(Path(root) / name, checkout, Path(os.environ["POLARPRIOR_VENDOR"]))
        for number, point in enumerate(POINTS, 1):
            if arguments.only and number not in arguments.only:
                continue
            parts.append(f"## {number}. {point.about}\n")
            for typed in point.typed:
                parts.append(f"```\n{typed.lstrip(PYTHON + SILENCE)}\n```\n")
                for name, checkout in versions.items():
                    told = said(Path(root) / name, checkout, typed)
                    parts.append(f"{name}:\n\n```\n{told}\n```\n")
                print("\n".join(parts[-3:]), flush=True)
        if arguments.page and arguments.only:
            parts = with_others(arguments.page.read_text(), parts)
        if arguments.page:
            arguments.page.write_text("\n".join(parts))


if __name__ == "__main__":
    main()
