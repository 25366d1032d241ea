"""Images to train on, some of them held out, and their labels where they have any."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from polarprior.plugin import Reference, UsageError, open_reference

HELD_SHARE, HELD_MOST = 0.1, 5000
FEWEST = 100
GREY = ("1", "L", "I", "I;16", "LA")
"""Pillow's modes."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images, uint8 [n, size, size, channels], and their labels int64 [n], or None."""

    pixels: np.ndarray
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.pixels)

    def part(self, rows: np.ndarray) -> Images:
        """Some of them."""
        return Images(self.pixels[rows], None if self.labels is None else self.labels[rows])

    def digest(self) -> str:
        """SHA-256 of pixels and labels, in hexadecimal."""
        found = hashlib.sha256(self.pixels.data)
        found.update(b"" if self.labels is None else np.ascontiguousarray(self.labels).data)
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class Data:
    """Images to train on, and a tenth of them (at most `HELD_MOST`), drawn at random, that no training sees."""

    training: Images
    held: Images


class Cropped(Reference):
    """Images, of which the middle is looked at alone.

    Args:
        whole: the images.
        side: pixels of the square in their middle.
    """

    def __init__(self, whole: Reference, side: int):
        super().__init__(whole.path)
        self._whole, self._side = whole, side

    def __len__(self) -> int:
        return len(self._whole)

    def picture(self, index: int) -> Image.Image:
        """The middle of one; UsageError where it is smaller than the square."""
        image = self._whole.picture(index)
        if min(image.size) < self._side:
            raise UsageError(
                f"crop: got {self._side}, but {self.name(index)} of {self.path} is {image.width} x {image.height}",
                f"use crop={min(image.size)}",
            )
        left, top = ((length - self._side) // 2 for length in image.size)
        return image.crop((left, top, left + self._side, top + self._side))

    def name(self, index: int) -> str:
        """See `Reference`."""
        return self._whole.name(index)

    def labels(self) -> np.ndarray | None:
        """See `Reference`."""
        return self._whole.labels()


def open_data(path: Path, size: int, channels: int | None = None, crop: int | None = None) -> Data:
    """What `open_images` reads, held-out images apart: always the same ones.

    Raises:
        UsageError: too few images, and what `open_images` raises.
    """
    images = open_images(path, size, channels, crop)
    if len(images) < FEWEST:
        raise UsageError(f"data: {path} has {len(images)} images, expected {FEWEST} or more", "name more of them")
    order = np.random.default_rng(0).permutation(len(images))
    held = min(HELD_MOST, int(HELD_SHARE * len(images)))
    return Data(images.part(np.sort(order[held:])), images.part(np.sort(order[:held])))


def open_images(path: Path, size: int, channels: int | None = None, crop: int | None = None) -> Images:
    """Images of `size` pixels a side, resized where they have another size.

    Args:
        path: a folder with MNIST's idx files (the training set is taken) or with CIFAR-10's ``data_batch_*.bin``, or
            one such file; or any other images, see `polarprior.open_reference`.
        size: pixels a side.
        channels: 1 or 3; those of the first image if None.
        crop: pixels a side of the square in the middle of an image that is taken; all of it if None.

    Raises:
        UsageError: nothing there; images that are not square and not cropped, or smaller than the crop.
        PolarPriorError: a file that is damaged.
    """
    files = [path]
    if path.is_dir():
        mnist = [path / f"train-images-idx3-ubyte{end}" for end in ("", ".gz")]
        files = sorted(path.glob("data_batch_*.bin")) or [each for each in mnist if each.is_file()][:1] or files
    pixels, labels = [], []
    for file in files:
        reference = open_reference(file) if crop is None else Cropped(open_reference(file), crop)
        channels = channels or (1 if reference.picture(0).mode in GREY else 3)
        pixels.append(_resized(reference, channels, size))
        found = reference.labels()
        if found is not None:
            labels.append(found if found.dtype == np.int64 else np.unique(found, return_inverse=True)[1])
    return Images(np.concatenate(pixels), np.concatenate(labels) if labels else None)


def _resized(reference: Reference, channels: int, size: int) -> np.ndarray:
    try:
        return np.concatenate(list(reference.pixel_batches(channels, (size, size))))
    except UsageError as error:
        if isinstance(reference, Cropped):  # which an image is too small for
            raise
        side = min(reference.picture(0).size)
        raise UsageError(error.message, f"take the middle of each image: crop={side}") from error
