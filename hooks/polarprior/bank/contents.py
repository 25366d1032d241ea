"""One pass over a bank's files: are their contents what they say they are?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from polarprior.bank.format import BLOCK_ROWS, BankFile, digest
from polarprior.errors import BankError
from polarprior.volume.log_volume import log_volume

THREADS = 4
"""Readers at once: what they do is numpy and sha256, which run side by side; more would wait for the memory."""


def checked_log_volume(files: Sequence[BankFile], name: str) -> np.ndarray:
    """The log-volume of each row, all k, float64 [N]: read once, together with every check of the contents.

    Raises:
        BankError: a digest that isn't that of the contents, a seed or label out of range, NaN, +inf, or singular
            values out of order.
    """
    named = [(file, name if file.path is None or len(files) == 1 else str(file.path)) for file in files]
    for (file, where), found in zip(
        named, _in_threads(lambda file: digest(file.info, file.columns), files), strict=True
    ):
        if found != file.info.digest:
            raise _damaged(where, "its digest is not that of its contents")
    blocks = [(file, where, start) for file, where in named for start in range(0, file.rows, BLOCK_ROWS)]
    return np.concatenate(_in_threads(lambda each: _checked_block(*each), blocks))


def log_volumes(files: Sequence[BankFile], k: int, epsilon: float) -> np.ndarray:
    """l_k of each row, float64 [N], unchecked."""
    blocks = [(file, start) for file in files for start in range(0, file.rows, BLOCK_ROWS)]

    def of_block(each: tuple[BankFile, int]) -> np.ndarray:
        file, start = each
        return log_volume(file.columns["log_singular_values"][start : start + BLOCK_ROWS][:, :k], epsilon)

    return np.concatenate(_in_threads(of_block, blocks))


def _checked_block(file: BankFile, where: str, start: int) -> np.ndarray:
    """The log-volumes of a block that begins at row `start` of its file; BankError where it can't be right."""
    block = file.block(start)
    seeds, labels, values = block["seeds"], block.get("labels"), block["log_singular_values"]
    if (seeds < 0).any() or (seeds >= 2**32).any():
        raise _damaged(where, "a seed is outside 0 to 4294967295")
    if labels is not None and ((labels < 0).any() or (labels >= (file.info.num_classes or 0)).any()):
        raise _damaged(where, "a label is outside its classes")
    with np.errstate(invalid="ignore"):
        volumes = log_volume(values)
    if not (volumes < np.inf).all():  # whatever is in a row is in its sum
        invalid = np.flatnonzero((np.isnan(values) | (values == np.inf)).any(1))
        raise _damaged(where, f"NaN or infinity in {invalid.size} rows, the first at row {start + invalid[0]}")
    disorder = np.flatnonzero((values[:, 1:] > values[:, :-1]).any(1))
    if disorder.size:
        raise _damaged(where, f"singular values out of order at row {start + disorder[0]}")
    return volumes


def _in_threads(function: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def _damaged(where: str, what: str) -> BankError:
    """The error for contents that can't be right."""
    return BankError(f"{where} is damaged: {what}", "fetch it again, or build it again")
