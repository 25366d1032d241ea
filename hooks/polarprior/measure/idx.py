"""The idx format of MNIST: a big-endian header, then the numbers."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from polarprior.errors import PolarPriorError

_UNSIGNED_BYTES = 0x08


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes that an idx file holds, gzipped or not.

    Two zero bytes, the type, the number of axes, each axis as four bytes, then the values (LeCun et al., *The MNIST
    database*).

    Raises:
        PolarPriorError: not an idx file of unsigned bytes, or not of the size that its header says.
    """
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:3] != bytes((0, 0, _UNSIGNED_BYTES)) or not 1 <= head[3] <= 4:
            raise PolarPriorError(f"{path}: no idx file of unsigned bytes", "name one such as t10k-images-idx3-ubyte")
        shape = tuple(np.frombuffer(file.read(4 * head[3]), ">u4").tolist())
        size = int(np.prod(shape, dtype=object))
        values = file.read(size + 1 if size < 1 << 40 else 0)
    if len(shape) != head[3] or len(values) != size:
        raise PolarPriorError(f"{path}: has {len(values)} bytes, its header says {shape}", "fetch it again")
    return np.frombuffer(values, np.uint8).reshape(shape)
