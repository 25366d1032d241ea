"""Keeps the weights of a trained network, and builds the stock repository's checkpoint from them.

    python benchmarks/trained/weights.py keep stylegan2_ada digits         a finished training, into weights/, logs/
    python benchmarks/trained/weights.py compare stylegan2_ada digits      a training of your own with the kept one
    python benchmarks/trained/weights.py build stylegan2_ada digits PATH   a file, or a folder, as train.py leaves it

The kept file has tensors and a description, and no code. Building needs the checkout at the commit of the training
(POLARPRIOR_VENDOR), and gives the same bytes each time. With --random the network has fresh weights in their place.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from places import FAMILIES, checkout_of, folder_of
from polarprior.errors import PolarPriorError
from polarprior.stock.checkout import use_checkout
from polarprior_training.described_file import read_described, save_described
from sets import NAMES
from torch import Tensor

KIND = "polarprior-trained/1"
WEIGHTS, LOGS = (Path(__file__).parent / each for each in ("weights", "logs"))
LARGEST = 4 << 20
"""Bytes of a kept file."""
LINES = 40
"""Lines that are kept of a run's progress, at most."""


def weights_file(family: str, name: str) -> Path:
    """Where a network's weights are kept."""
    return WEIGHTS / f"{family}-{name}.safetensors"


def left(family: str, name: str) -> tuple[list[Path], dict[str, Tensor], dict[str, Any]]:
    """Runs of a finished training, tensors that it has left, and what its networks are made with; SystemExit where it
    isn't finished."""
    module, folder = importlib.import_module(family), folder_of(family, name)
    pieces = [folder / f"piece-{piece}.json" for piece in range(module.PIECES)]
    missing = [piece.stem for piece in pieces if not piece.exists()]
    if missing:
        command = f"python benchmarks/trained/train.py {family} {name}"
        raise SystemExit(f"error: {folder}: {missing[0]} has not ended\nhint: type {command}")
    use_checkout([module.REPO])
    networks, made_with = module.trained(folder)
    tensors = {f"{prefix}.{name}": each.clone() for prefix, own in networks.items() for name, each in own.items()}
    return pieces, tensors, made_with


def keep(family: str, name: str) -> Path:
    """Keep what a finished training has left."""
    module, (pieces, tensors, made_with) = importlib.import_module(family), left(family, name)
    about = {
        "family": family,
        "set": name,
        "repository": module.REPO.name,
        "commit": checkout_of(family)[1],
        "network": made_with,
        "cpu_hours": round(sum(json.loads(piece.read_text())["cpu_seconds"] for piece in pieces) / 3600, 2),
        "torch": torch.__version__,
    }
    path = weights_file(family, name)
    save_described(path, KIND, about, tensors)
    size = path.stat().st_size
    if size > LARGEST:
        path.unlink()
        raise SystemExit(f"error: {path}: {size} bytes, expected at most {LARGEST}\nhint: train a narrower network")
    print(f"{path}: {size} bytes, {about['cpu_hours']} CPU hours")
    LOGS.mkdir(exist_ok=True)
    (LOGS / f"{family}-{name}.log").write_text("".join(_told(piece, module.PROGRESS) for piece in pieces))
    return path


def _told(piece: Path, progress: str) -> str:
    """How a run was called, what it cost, on what, and what it said of its progress."""
    about = json.loads(piece.read_text())
    words = " ".join(about["arguments"]).replace(str(piece.parent), ".")
    took = f"{about['cpu_seconds']:.0f} CPU seconds, {about['seconds']:.0f} seconds"
    said = re.split(r"[\r\n]", piece.with_suffix(".log").read_text())
    lines = [line.strip() for line in said if re.search(progress, line)]
    kept = [lines[i] for i in np.linspace(0, len(lines) - 1, min(LINES, len(lines)), dtype=int)]
    return "\n".join([f"== {piece.stem}: {took}, one thread, {about.get('cpu', 'unknown')}", words, *kept, ""])


def kept(family: str, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Description and tensors of a kept file."""
    hint = f"type: python benchmarks/trained/train.py {family} {name}, and then weights.py keep {family} {name}"
    path = weights_file(family, name).with_suffix("")
    return read_described(path, KIND, "weights", "network", hint, lambda path, about, tensors: (about, tensors))


def compare(family: str, name: str) -> None:
    """Say whether a finished training has left the kept tensors; SystemExit where it has not."""
    (about, tensors), own = kept(family, name), left(family, name)[1]
    apart = [each for each in tensors.keys() | own.keys() if not _equal(tensors.get(each), own.get(each))]
    if apart:
        hint = f"a training repeats with one thread, torch {about['torch']} and the instructions that its log names"
        raise SystemExit(f"error: {family}, {name}: {len(apart)} of {len(tensors)} tensors differ\nhint: {hint}")
    print(f"{family}, {name}: all {len(tensors)} tensors are the kept ones, bit for bit")


def _equal(first: Tensor | None, second: Tensor | None) -> bool:
    return first is not None and second is not None and torch.equal(first, second)


def build(family: str, name: str, path: Path, random: bool = False) -> Path:
    """Write the stock repository's checkpoint to `path`; SystemExit where they are of another commit."""
    module = importlib.import_module(family)
    about, tensors = kept(family, name)
    commit = checkout_of(family)[1]
    if commit != about["commit"]:
        raise SystemExit(
            f"error: weights: of a network of commit {about['commit']}, and the checkout is at {commit}\n"
            f"hint: type python benchmarks/trained/train.py {family} {name}"
        )
    use_checkout([module.REPO])
    made_with = json.loads(json.dumps(about["network"]))  # plain texts: a checkpoint holds no others
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = module.networks(made_with)
    for prefix, network in () if random else made.items():
        network.load_state_dict(_of(prefix, tensors))
    module.write_checkpoint(made, made_with, path)
    return path


def _of(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of one network, by its own names."""
    return {name[len(prefix) + 1 :]: each for name, each in tensors.items() if name.startswith(f"{prefix}.")}


def main() -> None:
    """Keep, compare or build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("keep", "compare", "build"))
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("set", choices=NAMES)
    parser.add_argument("path", type=Path, nargs="?", help="where the checkpoint is written")
    parser.add_argument("--random", action="store_true", help="fresh weights in place of the trained ones")
    asked = parser.parse_args()
    if asked.what == "build" and asked.path is None:
        parser.error("build needs PATH")
    try:
        if asked.what == "build":
            print(build(asked.family, asked.set, asked.path, asked.random))
        else:
            (keep if asked.what == "keep" else compare)(asked.family, asked.set)
    except PolarPriorError as error:
        raise SystemExit(f"error: {error.message}\nhint: {error.hint}") from error


if __name__ == "__main__":
    main()
