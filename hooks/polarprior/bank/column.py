"""A column of a file, of which only those rows are read that somebody asks for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from polarprior.errors import BankError


class StoredColumn:
    """Looks like an array [rows, ...]; a slice of it is one.

    Rows are read from the file, never through the memory that it is mapped to: of a file that somebody cuts short
    meanwhile, that would end the process. Only where the file has been replaced or removed, so that nobody can reach
    it any more, the map still has what it held.

    Args:
        path: the file.
        mapped: the column, memory-mapped.
        offset: bytes of the file before it.

    Attributes:
        shape, dtype, nbytes: as of an array.
    """

    def __init__(self, path: Path, mapped: np.ndarray, offset: int):
        self.shape, self.dtype, self.nbytes = mapped.shape, mapped.dtype, mapped.nbytes
        self._path, self._mapped, self._offset = path, mapped, offset
        self._file = _identity(path)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, _ = rows.indices(len(self))
        count = max(stop - start, 0)
        out = np.empty((count, *self.shape[1:]), self.dtype)
        try:
            with self._path.open("rb", buffering=0) as file:
                if _same(os.fstat(file.fileno()), self._file):
                    file.seek(self._offset + start * (self.nbytes // max(len(self), 1)))
                    self._fill(file, out)
                    return out
        except FileNotFoundError:
            pass  # it has been removed: what follows still has it
        except OSError as error:
            raise BankError(f"bank: can't read {self._path}: {error.strerror or error}", "check the file") from error
        return np.array(self._mapped[start:stop])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)

    def _fill(self, file: Any, out: np.ndarray) -> None:
        left = out.reshape(-1).view(np.uint8).data
        while left:
            got = file.readinto(left)
            if not got:
                raise BankError(
                    f"bank: {self._path} is damaged: it was cut short since it was opened", "copy it again"
                )
            left = left[got:]


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _same(found: os.stat_result, file: tuple[int, int]) -> bool:
    return (found.st_dev, found.st_ino) == file
