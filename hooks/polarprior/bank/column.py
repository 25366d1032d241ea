"""A column of a file, of which only those rows are read that somebody asks for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from polarprior.errors import BankError


class StoredColumn:
    """Looks like an array [rows, ...]; a slice of it is one, memory-mapped.

    Reading a mapped file that somebody has cut short ends the process, so each slice looks first whether all of the
    file is still there. A file that was replaced or removed since stays as it was, for whoever has it mapped.

    Args:
        path: the file.
        mapped: the column, memory-mapped.
        found: what the system says of the file.

    Attributes:
        shape, dtype, nbytes: as of an array.
    """

    def __init__(self, path: Path, mapped: np.ndarray, found: os.stat_result):
        self.shape, self.dtype, self.nbytes = mapped.shape, mapped.dtype, mapped.nbytes
        self._path, self._mapped, self._found = path, mapped, found

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        self._check()
        return self._mapped[rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self._check()
        return np.array(self._mapped, dtype)

    def _check(self) -> None:
        try:
            found = self._path.stat()
        except OSError:  # it has been removed, or its folder: what is mapped is still there
            return
        if os.path.samestat(found, self._found) and found.st_size < self._found.st_size:
            raise BankError(f"bank: {self._path} is damaged: it was cut short since it was opened", "copy it again")
