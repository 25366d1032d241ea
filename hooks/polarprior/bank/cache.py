"""What was computed of a bank, kept for the next time in a folder that this user alone may enter."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from polarprior.bank.format import BankFile
from polarprior.cache_folder import cache_folder, ensure_private
from polarprior.errors import PolarPriorError
from polarprior.files import writing_atomically

SMALL = 1 << 26
"""Bytes of a bank that is read again rather than cached: it takes a tenth of a second."""
LARGEST = 1 << 29
"""Bytes of an entry's arrays where their sizes are not known."""
HEADER = 1 << 14
"""Bytes of a file besides its arrays, at most."""


class BankCache:
    """Named arrays of one bank: a safetensors file an entry, in a folder of the bank's within `cache_folder`.

    An entry belongs to the bank's files: their places on the disk, sizes, times, and times of their last change,
    which nobody can set back. It is missing once these are others; one that lasts belongs to the bank's contents
    alone. A file that can't be read is missing too. Whoever has no private folder has no cache, and no error.

    Args:
        files: the bank's.

    Attributes:
        large: whether what its rows give is worth keeping.
    """

    def __init__(self, files: Sequence[BankFile]):
        stats = [file.found for file in files if file.found is not None]
        self.large = sum(stat.st_size for stat in stats) >= SMALL
        self._contents = {"contents": _hash([file.info.digest for file in files])}
        self._as_it_is = {**self._contents, "files": _hash([_identity(stat) for stat in stats])}

    def get(self, name: str, most: int = LARGEST, lasts: bool = False) -> dict[str, np.ndarray] | None:
        """The arrays of an entry by name, as they were put, `most` bytes in all; None where it is missing."""
        file = self._file(name)
        with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError):
            found = None if file is None else file.lstat()
            if found is not None and S_ISREG(found.st_mode) and found.st_size <= most + HEADER:
                with safe_open(file, framework="numpy") as opened:
                    if opened.metadata() == (self._contents if lasts else self._as_it_is):
                        return {each: opened.get_tensor(each) for each in opened.keys()}  # noqa: SIM118
        return None

    def put(self, name: str, arrays: Mapping[str, np.ndarray], lasts: bool = False) -> bool:
        """Keep arrays, of any shapes and dtypes, in place of what the entry was; whether that could be done."""
        file = self._file(name)
        if file is not None:
            with suppress(PolarPriorError), writing_atomically(file) as temporary:
                metadata = self._contents if lasts else self._as_it_is
                save_file({each: np.asarray(array, order="C") for each, array in arrays.items()}, temporary, metadata)
                return True
        return False

    def _file(self, name: str) -> Path | None:
        """Where an entry is; None where there is no private folder for it."""
        folder = cache_folder()
        if folder is None or not ensure_private(folder):
            return None
        own = folder / self._contents["contents"][:32]
        return own / f"{re.sub('[^a-zA-Z0-9_.-]', '_', name)}.safetensors" if ensure_private(own) else None


def _identity(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def forms(arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and dtype of each array by its name: whoever gets an entry compares them with those that it put."""
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


def _hash(value: object) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()
