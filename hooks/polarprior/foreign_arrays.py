"""Arrays in an .npz of somebody else's: a header is looked at before anything is allocated."""

from __future__ import annotations

import zipfile

import numpy as np


def npz_header(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> tuple[np.dtype, tuple[int, ...]]:
    """Read the dtype and the shape of an array of an .npz, without the array.

    Args:
        archive: the file.
        entry: one of its arrays.

    Raises:
        ValueError: the entry is not as long as its header says, or has none. `zipfile` raises its own of what is
            damaged.
    """
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        length = entry.file_size - file.tell()
    if kind.hasobject or length != int(np.prod(shape, dtype=object)) * kind.itemsize:
        raise ValueError(f"{entry.filename} has {length} bytes for {kind} {list(shape)}")
    return kind, shape


def npz_array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    """Read an array of an .npz, after `npz_header` has been looked at; never a pickled one."""
    with archive.open(entry) as file:
        found: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
    return found
