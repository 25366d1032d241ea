"""One pass over a bank's files: are their contents what they say they are?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polarprior.bank.format import BankFile, Columns, digest
from polarprior.errors import BankError
from polarprior.volume.log_volume import log_volume


def checked_log_volume(files: Sequence[BankFile], name: str) -> np.ndarray:
    """The log-volume of each row, all k, float64 [N]: read once, together with every check of the contents.

    Raises:
        BankError: a digest that isn't that of the contents, a seed or label out of range, NaN, +inf, or singular
            values out of order.
    """
    total = np.empty(sum(file.rows for file in files))
    start = 0
    for file in files:
        where = name if file.path is None or len(files) == 1 else str(file.path)
        if digest(file.info, file.columns) != file.info.digest:
            raise _damaged(where, "its digest is not that of its contents")
        row = 0
        for block in file.blocks():
            _check(file, block, where, row)
            values = block["log_singular_values"]
            total[start : start + len(values)] = log_volume(values)
            start += len(values)
            row += len(values)
    return total


def log_volumes(files: Sequence[BankFile], k: int, epsilon: float) -> np.ndarray:
    """l_k of each row, float64 [N], unchecked."""
    blocks = (block["log_singular_values"][:, :k] for file in files for block in file.blocks())
    return np.concatenate([log_volume(block, epsilon) for block in blocks])


def _damaged(where: str, what: str) -> BankError:
    """The error for contents that can't be right."""
    return BankError(f"{where} is damaged: {what}", "build it again, or see: polarprior bank verify BANK")


def _check(file: BankFile, block: Columns, where: str, start: int) -> None:
    seeds, labels, values = block["seeds"], block.get("labels"), block["log_singular_values"]
    if (seeds < 0).any() or (seeds >= 2**32).any():
        raise _damaged(where, "a seed is outside 0 to 4294967295")
    if labels is not None and ((labels < 0).any() or (labels >= (file.info.num_classes or 0)).any()):
        raise _damaged(where, "a label is outside its classes")
    invalid = (np.isnan(values) | (values == np.inf)).any(1)
    if invalid.any():
        raise _damaged(
            where, f"NaN or infinity in {invalid.sum()} rows, the first at row {start + np.flatnonzero(invalid)[0]}"
        )
    disorder = (values[:, 1:] > values[:, :-1]).any(1)
    if disorder.any():
        raise _damaged(where, f"singular values out of order at row {start + np.flatnonzero(disorder)[0]}")
