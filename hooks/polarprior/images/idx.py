"""The idx format of MNIST: a big-endian header, then the numbers."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from polarprior.errors import PolarPriorError
from polarprior.images.expanding import check_expands

_UNSIGNED_BYTES = 0x08
BLOCK = 1 << 24
"""Bytes read at once: a header that lies asks for no memory."""


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes that an idx file holds, gzipped or not.

    Two zero bytes, the type, the number of axes, each axis as four bytes, then the values (LeCun et al., *The MNIST
    database*).

    Raises:
        PolarPriorError: not an idx file of unsigned bytes, or not of the size that its header says, or of one that
            no pictures expand to.
    """
    try:
        shape, size, values = _read(path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise PolarPriorError(f"{path}: can't be read: {error}", "fetch it again") from error
    if len(values) != size or not size:  # with none, the other axes could be of any length
        raise PolarPriorError(f"{path}: has {len(values)} bytes, its header says {shape}", "fetch it again")
    return np.frombuffer(values, np.uint8).reshape(shape)


def _read(path: Path) -> tuple[tuple[int, ...], int, bytes]:
    """What the header says, how many bytes that is, and those that are there, one more at most."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        head = file.read(4)
        if len(head) < 4 or head[:3] != bytes((0, 0, _UNSIGNED_BYTES)) or not 1 <= head[3] <= 4:
            raise PolarPriorError(f"{path}: no idx file of unsigned bytes", "name one such as t10k-images-idx3-ubyte")
        axes = file.read(4 * head[3])
        if len(axes) < 4 * head[3]:
            raise PolarPriorError(f"{path}: ends within its header", "fetch it again")
        shape = tuple(np.frombuffer(axes, ">u4").tolist())
        size = int(np.prod(shape, dtype=object))
        if path.suffix == ".gz":
            check_expands(path, path.stat().st_size, size)
        parts: list[bytes] = []
        while sum(map(len, parts)) <= size and (part := file.read(min(size + 1, BLOCK))):
            parts.append(part)
        return shape, size, b"".join(parts)[: size + 1]
