"""Images of bars, and files of them."""

from __future__ import annotations

import gzip

import numpy as np
import pytest


@pytest.fixture(scope="session")
def bars():
    """A function that makes images of two classes."""

    def make(count=300, size=16, channels=1):
        """Images of two classes: an upright bar, or a lying one; uint8 [n, size, size, channels] and labels."""
        stream = np.random.default_rng(0)
        labels = np.arange(count) % 2
        pixels = np.zeros((count, size, size, channels), np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            at = stream.integers(2, size - 4)
            bar = (slice(3, size - 3), slice(at, at + 3))
            image[bar if label else bar[::-1]] = stream.integers(150, 256, channels)
        return pixels, labels

    return make


@pytest.fixture(scope="session")
def write_idx():
    """A function that writes an array as an idx file."""

    def write(path, array):
        head = bytes((0, 0, 8, array.ndim)) + np.array(array.shape, ">u4").tobytes()
        (gzip.open if path.suffix == ".gz" else open)(path, "wb").write(head + array.astype(np.uint8).tobytes())

    return write


@pytest.fixture(scope="session")
def idx(tmp_path_factory, bars, write_idx):
    folder = tmp_path_factory.mktemp("idx")
    pixels, labels = bars()
    write_idx(folder / "train-images-idx3-ubyte", pixels[..., 0])
    write_idx(folder / "train-labels-idx1-ubyte", labels)
    return folder
