"""Writing a bank: one file, or shards and then their index. One of the same name is replaced as a whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path

from polarprior.arguments import SHARD_SIZE
from polarprior.bank import format as bank_format
from polarprior.bank.format import BankFile
from polarprior.bank.index import SUFFIX, Shard, base_of, index_file, index_text, one_file, read_index
from polarprior.bank.info import BankInfo
from polarprior.errors import BankError, UsageError
from polarprior.files import alone_in, flush_folder, make_folder, scratch_in, write_atomically, writing_atomically

MAX_SHARD_SIZE = 2 * 10**9
"""Bytes of a file's columns. More than this makes shards."""
MOST_SHARDS = 4000
"""As many as an index has room for."""


def write_files(
    path: Path,
    info: BankInfo,
    rows: int,
    columns: Callable[[int, int], bank_format.Columns],
    max_shard_size: int = MAX_SHARD_SIZE,
    scratch: Path | None = None,
) -> Path:
    """Write a bank. Whatever ends this, and whenever, the bank that was there can be read, or the new one.

    Shards have names of their own, by what they hold, so that the old index still finds the old ones until the new
    index is there; then those go that no index names any more.

    Args:
        path: file, index or base name.
        info: the metadata; digests and shards are filled in.
        rows: of the bank.
        columns: (start, stop) to the columns of these rows; asked file by file, and dropped once they are written.
        max_shard_size: bytes of a file's columns.
        scratch: a folder of the caller's for temporary files, on the same file system; one of its own where None.

    Returns:
        What was written: the file, or the index.

    Raises:
        UsageError: `max_shard_size` is no size, or makes too many files.
        PolarPriorError: a file can't be written; what was there before still is.
    """
    sizes = shard_sizes(rows, bank_format.row_bytes(info.k, info.num_classes), max_shard_size)
    make_folder(path.parent)
    with (
        alone_in(path.parent) as alone,
        nullcontext(scratch) if scratch else scratch_in(path.parent, alone) as scratch,
    ):
        if len(sizes) == 1:
            return _write_one(path, bank_format.in_memory(replace(info, shard=""), columns(0, rows)), scratch)
        return _write_shards(path, info, sizes, columns, scratch)


def _write_one(path: Path, file: BankFile, scratch: Path) -> Path:
    before = _named_by_an_index(path)
    with writing_atomically(one_file(path), scratch) as temporary:
        bank_format.write_to(temporary, file)
    index_file(path).unlink(missing_ok=True)
    _remove_shards(path, before, ())
    return one_file(path)


def _write_shards(
    path: Path,
    info: BankInfo,
    sizes: Sequence[int],
    columns: Callable[[int, int], bank_format.Columns],
    scratch: Path,
) -> Path:
    before, shards = _named_by_an_index(path), list[Shard]()
    try:
        for number, (start, stop) in enumerate(pairwise(accumulate(sizes, initial=0)), 1):
            place = f"{number:05d}-of-{len(sizes):05d}"
            file = bank_format.in_memory(replace(info, shard=place), columns(start, stop))
            name = f"{base_of(path).name}-{place}-{file.info.digest[:16]}{SUFFIX}"
            shards.append(Shard(name, file.info.digest, file.rows))
            with writing_atomically(path.with_name(name), scratch) as temporary:
                bank_format.write_to(temporary, file)
        write_atomically(index_file(path), index_text(info, shards).encode(), scratch)
    except BaseException:
        _remove_shards(path, {shard.file for shard in shards}, before)
        raise
    one_file(path).unlink(missing_ok=True)
    _remove_shards(path, before, {shard.file for shard in shards})
    return index_file(path)


def shard_sizes(rows: int, row_bytes: int, max_shard_size: int) -> list[int]:
    """Rows of each file: as few files as keep within `max_shard_size` bytes, and as even as can be.

    Raises:
        UsageError: it is no size, or makes more than `MOST_SHARDS` files.
    """
    SHARD_SIZE.check("max_shard_size", max_shard_size)
    count = min(rows, -(-rows * row_bytes // max_shard_size))
    if count > MOST_SHARDS:
        raise UsageError(
            f"max_shard_size: got {max_shard_size}, which makes {count} shards, at most {MOST_SHARDS}",
            "allow larger ones",
        )
    return [rows * (i + 1) // count - rows * i // count for i in range(count)]


def _named_by_an_index(path: Path) -> set[str]:
    """Names of the shards of a bank that is there already; none where it is one file, or damaged."""
    with suppress(BankError):
        return {shard.file for shard in read_index(index_file(path))[1]}
    return set()


def _remove_shards(path: Path, names: Collection[str], keep: Collection[str]) -> None:
    """Remove shards by their names, and those that an earlier process left when it was ended."""
    folder, base = path.parent, re.escape(base_of(path).name)
    pattern = rf"{base}-\d{{5}}-of-\d{{5}}-[0-9a-f]{{16}}{re.escape(SUFFIX)}"
    left = {each.name for each in folder.iterdir() if re.fullmatch(pattern, each.name) and _is_shard(each)}
    for name in {*names, *left} - {*keep}:
        with suppress(OSError):  # on Windows somebody may still read it
            (folder / name).unlink()
    flush_folder(folder)


def _is_shard(file: Path) -> bool:
    try:
        return not file.is_symlink() and bool(bank_format.read(file).info.shard)
    except BankError:
        return False
