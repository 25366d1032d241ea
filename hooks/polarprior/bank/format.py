"""A bank's file as bytes: safetensors, with one metadata key. What is read is not trusted."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from polarprior.bank.column import StoredColumn
from polarprior.bank.info import METADATA_LIMIT, BankInfo
from polarprior.errors import BankError
from polarprior.foreign import Foreign, without_doubles

METADATA_KEY = "polarprior"
HEADER_LIMIT = 2 * METADATA_LIMIT
BLOCK_ROWS = 1 << 16
DTYPES: dict[str, np.dtype[Any]] = {
    "seeds": np.dtype("<i8"),
    "latent_hash": np.dtype("<i8"),
    "log_singular_values": np.dtype("<f4"),
    "labels": np.dtype("<i8"),
}
_DTYPE_NAMES: dict[np.dtype[Any], str] = {np.dtype("<i8"): "I64", np.dtype("<f4"): "F32"}
Columns = Mapping[str, np.ndarray]
_BUILD = "polarprior bank build MODEL -n 10000 --out"


@dataclass(frozen=True, eq=False)
class BankFile:
    """A file that is a bank, or a shard of one.

    Attributes:
        path: where it is; None for one in memory.
        info: its metadata.
        rows: latents in it.
        columns: name to array, as they are stored, unchecked; of a file on a disk, to a `StoredColumn`.
        found: what the system said of the file when it was opened; None for one in memory.
    """

    path: Path | None
    info: BankInfo
    rows: int
    columns: Mapping[str, np.ndarray | StoredColumn]
    found: os.stat_result | None = None

    def block(self, start: int) -> Columns:
        """The columns from row `start` on, `BLOCK_ROWS` rows at most."""
        return {name: column[start : start + BLOCK_ROWS] for name, column in self.columns.items()}


def columns_of(k: int, num_classes: int | None) -> dict[str, tuple[int, ...]]:
    """The columns of a bank of k singular values, of a model with that many classes: name to the shape of a row."""
    shapes: dict[str, tuple[int, ...]] = {"seeds": (), "latent_hash": (), "log_singular_values": (k,)}
    return shapes if num_classes is None else {**shapes, "labels": ()}


def row_bytes(k: int, num_classes: int | None) -> int:
    """Bytes of one latent, see `columns_of`."""
    return sum(DTYPES[name].itemsize * int(np.prod(shape)) for name, shape in columns_of(k, num_classes).items())


def digest(info: BankInfo, columns: Mapping[str, np.ndarray | StoredColumn]) -> str:
    """sha256, as hex, over the metadata (its own field empty) and each column's name, shape and little-endian
    bytes, in the order of the names."""
    total = hashlib.sha256(replace(info, digest="").to_json().encode())
    for name in sorted(columns):
        array = columns[name]
        total.update(f"{name}:{array.shape};".encode())
        for start in range(0, len(array), BLOCK_ROWS):
            total.update(np.ascontiguousarray(array[start : start + BLOCK_ROWS], DTYPES[name]).data)
    return total.hexdigest()


def in_memory(info: BankInfo, columns: Columns) -> BankFile:
    """A bank's file that isn't on a disk; its digest is that of the columns."""
    return BankFile(None, replace(info, digest=digest(info, columns)), len(columns["seeds"]), columns)


def write_to(path: Path, file: BankFile) -> None:
    """Write a file, see `polarprior.files.writing_atomically`; the same columns and info give the same bytes."""
    columns = {name: np.asarray(column) for name, column in file.columns.items()}
    save_file(columns, path, metadata={METADATA_KEY: file.info.to_json()})


def read(path: Path) -> BankFile:
    """Open a file without reading its columns, after checking its header, names, dtypes, shapes and metadata.

    Raises:
        BankError: the file is missing, truncated, foreign, or not a bank.
    """
    if path.is_dir():
        raise BankError(f"bank: {path} is a folder", "name the file in it")
    if not path.is_file():
        unfinished = path.with_name(path.name.removesuffix(".safetensors") + ".parts").is_dir()
        hint = (
            "its build is not finished: run the same bank build again"
            if unfinished
            else f"build one: {_BUILD} {path}"
        )
        raise BankError(f"bank: no file {path}", hint)
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            header, start = _header(file)
            content = np.memmap(file, np.uint8, mode="c").view(np.ndarray)
        with safe_open(path, framework="numpy"):  # checks that what the header says fits the file
            pass
        if not os.path.samestat(path.stat(), found):
            raise ValueError("it was replaced while it was opened")
    except (SafetensorError, ValueError, RecursionError, MemoryError) as error:
        reason = str(error).splitlines()[0][:80] if str(error) else type(error).__name__
        raise BankError(
            f"bank: {path} is truncated, or no safetensors file: {reason}",
            "copy it again, or build it again: polarprior bank build",
        ) from error
    except OSError as error:
        raise BankError(f"bank: can't read {path}: {error.strerror or error}", "check the file") from error
    info, rows = _described(path, header)
    columns = {}
    for name, entry in header.items():
        first, stop = (start + offset for offset in entry["data_offsets"])
        mapped = content[first:stop].view(DTYPES[name]).reshape(entry["shape"])
        columns[name] = StoredColumn(path, mapped, found)
    return BankFile(path, info, rows, columns, found)


def described(start: bytes, where: object) -> tuple[BankInfo, int]:
    """The metadata and the rows of a bank, from the first bytes of its file, unchecked but for their form.

    Args:
        start: of the file, up to 8 + `HEADER_LIMIT` bytes.
        where: what an error calls it.

    Raises:
        BankError: it is no bank's.
    """
    try:
        header, _ = _header(BytesIO(start))
        columns = [entry for name, entry in header.items() if name != "__metadata__"]
        if not all(isinstance(entry.get("dtype"), str) and _is_shape(entry.get("shape")) for entry in columns):
            raise ValueError("a column without a dtype and a shape")
        if not all(isinstance(text, str) for text in (header.get("__metadata__") or {}).values()):
            raise ValueError("metadata that are no text")
    except (ValueError, RecursionError) as error:
        raise BankError(f"bank: {where} is no file of a bank", "name another") from error
    return _described(where, header)


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 < size < 2**40 for size in value)


def _described(where: object, header: dict[str, Any]) -> tuple[BankInfo, int]:
    """Metadata and rows from a header, whose ``__metadata__`` is taken out."""
    metadata = header.pop("__metadata__", None) or {}
    if list(metadata) != [METADATA_KEY]:
        raise BankError(
            f"bank: {where} is a safetensors file, but not a bank (its metadata are not {METADATA_KEY!r} alone)",
            "name a file that polarprior bank build wrote",
        )
    info = BankInfo.from_json(metadata[METADATA_KEY])
    return info, _checked_rows(where, info, header)


def _header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The header, and where the data start; ValueError where it is too large, or has a key twice."""
    size = int.from_bytes(file.read(8), "little")
    if size > HEADER_LIMIT:
        raise ValueError("it has no header of a bank")
    header = json.loads(file.read(size), object_pairs_hook=without_doubles)
    if not (isinstance(header, dict) and all(isinstance(entry, dict) for entry in header.values())):
        raise ValueError("its header is no object of objects")
    return {Foreign(name): entry for name, entry in header.items()}, 8 + size


def _checked_rows(path: object, info: BankInfo, header: Mapping[str, Any]) -> int:
    """Rows of the file; BankError unless its columns are exactly those that `info` calls for."""
    shape = header["seeds"]["shape"] if "seeds" in header else [0]
    rows = shape[0] if shape else 0
    expected = {name: [rows, *rest] for name, rest in columns_of(info.k, info.num_classes).items()}
    for name in sorted(set(header) | set(expected)):
        got = header.get(name, {"dtype": "nothing", "shape": []})
        wanted = _DTYPE_NAMES[DTYPES[name]] if name in expected else None
        if (got["dtype"], got["shape"]) != (wanted, expected.get(name)):
            stated = f"{wanted} {expected[name]}" if name in expected else "no such column"
            raise BankError(
                f"bank: {path}: column {name[:40]!r} is {got['dtype']} {str(got['shape'])[:80]}, expected {stated}",
                "the file is damaged or foreign: build it again",
            )
    if rows == 0:
        raise BankError(f"bank: {path} holds no latents", "build it again: polarprior bank build")
    return int(rows)
