"""The families, and where their trainings, checkouts and checkpoints lie."""

from __future__ import annotations

import importlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from polarprior.stock.checkout import FOLDER
from sets import CACHE
from torch import Tensor

CHECKOUTS = Path(__file__).parents[2] / "vendor_patches" / "checkouts.txt"
States = dict[str, Mapping[str, Tensor]]
"""The tensors of a family's networks by name: of the generator G, and of the discriminator D where there is one."""
FAMILIES = ("stylegan2_ada", "stylegan3", "progan", "biggan_deep", "nvae")


def folder_of(family: str, name: str) -> Path:
    """Where a training keeps what it leaves."""
    return CACHE / f"{family}-{name}"


def checkout_of(family: str) -> tuple[Path, str]:
    """The checkout that a family is trained by, and its commit; SystemExit where there is none, or it is at another
    commit than `CHECKOUTS` says."""
    name = importlib.import_module(family).REPO.name
    expected = dict(line.split() for line in CHECKOUTS.read_text().splitlines())[name]
    found = Path(os.environ.get(FOLDER) or ".") / name.rpartition("/")[2]
    if not (found / "train.py").is_file():
        raise SystemExit(f"error: {family}: no checkout {found}\nhint: type make vendor; set {FOLDER} to its folder")
    words = ["git", "-C", str(found), "rev-parse", "--verify", "-q", "HEAD"]
    commit = subprocess.run(words, capture_output=True, text=True).stdout.strip() or "none"
    if commit != expected:
        hint = f"type git -C {found} checkout {expected}"
        raise SystemExit(f"error: {found}: its commit is {commit}, expected {expected}\nhint: {hint}")
    return found, expected
