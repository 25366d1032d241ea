"""The binary layout of CIFAR-10: a label, then the red, green and blue planes of 32 x 32 pixels, image by image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polarprior.errors import PolarPriorError

SIDE, CLASSES = 32, 10
_RECORD = 1 + 3 * SIDE**2
LARGEST = 1 << 30


def read_cifar(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [n, 32, 32, 3] and labels int64 [n] of a file such as ``data_batch_1.bin`` (Krizhevsky 2009).

    Raises:
        PolarPriorError: no whole number of images, or a label that is none.
    """
    size = path.stat().st_size
    if not size or size % _RECORD or size > LARGEST:
        raise PolarPriorError(
            f"{path}: has {size} bytes, CIFAR-10's binary files have {_RECORD} an image", "fetch it again"
        )
    records = np.fromfile(path, np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= CLASSES:
        raise PolarPriorError(f"{path}: has a label of {labels.max()}, CIFAR-10 has {CLASSES}", "fetch it again")
    return records[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels
