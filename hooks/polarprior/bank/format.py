"""A bank as bytes: one safetensors file, with one metadata key. What is read is not trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from polarprior.bank.info import BankInfo
from polarprior.errors import BankError
from polarprior.files import write_atomically

METADATA_KEY = "polarprior"
HEADER_LIMIT = 4 << 20
_DTYPES = {"seeds": "I64", "latent_hash": "I64", "log_singular_values": "F32", "labels": "I64"}


def digest(info: BankInfo, tensors: Mapping[str, np.ndarray]) -> str:
    """sha256, as hex, over the metadata (its own field empty) and each tensor's name, shape and little-endian
    bytes, in the order of the names."""
    total = hashlib.sha256(replace(info, digest="").to_json().encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        total.update(f"{name}:{array.shape};".encode())
        total.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    return total.hexdigest()


def write(path: Path, tensors: Mapping[str, np.ndarray], info: BankInfo) -> None:
    """Write a bank atomically; the same tensors and info give the same bytes."""
    write_atomically(path, save(dict(tensors), metadata={METADATA_KEY: info.to_json()}))


def open_checked(path: Path) -> tuple[Any, BankInfo]:
    """Open a bank without reading its tensors, after checking its header, names, dtypes, shapes and metadata.

    Returns:
        (the safetensors handle, whose ``get_tensor(name)`` reads an array; the metadata).

    Raises:
        BankError: the file is missing, truncated, foreign, or not a bank.
    """
    if path.is_dir():
        raise BankError(f"bank: {path} is a folder", "name the file in it")
    if not path.is_file():
        raise BankError(f"bank: no file {path}", f"build one: polarprior bank build MODEL -n 10000 --out {path}")
    try:
        with path.open("rb") as file:
            header_size = int.from_bytes(file.read(8), "little")
        if header_size > HEADER_LIMIT:
            raise BankError(
                f"bank: {path} is no safetensors file, or has a header of {header_size} bytes",
                "name a file that polarprior bank build wrote",
            )
        handle = safe_open(path, framework="numpy")
        handle = handle.__enter__()
        names = set(handle.keys())
        metadata = handle.metadata() or {}
        slices = {name: handle.get_slice(name) for name in names}
        shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
        dtypes = {name: part.get_dtype() for name, part in slices.items()}
    except SafetensorError as error:
        raise BankError(
            f"bank: {path} is truncated, or no safetensors file: {str(error).splitlines()[0][:80]}",
            "copy it again, or build it again: polarprior bank build",
        ) from error
    except OSError as error:
        raise BankError(f"bank: can't read {path}: {error.strerror or error}", "check the file") from error
    if list(metadata) != [METADATA_KEY]:
        raise BankError(
            f"bank: {path} is a safetensors file, but not a bank (its metadata are not {METADATA_KEY!r} alone)",
            "name a file that polarprior bank build wrote",
        )
    info = BankInfo.from_json(metadata[METADATA_KEY])
    _check_tensors(path, info, shapes, dtypes)
    return handle, info


def _check_tensors(
    path: Path, info: BankInfo, shapes: Mapping[str, tuple[int, ...]], dtypes: Mapping[str, str]
) -> None:
    """Raise BankError unless the tensors are exactly those that `info` calls for."""
    rows = shapes.get("seeds", (0,))[0] if shapes.get("seeds") else 0
    expected = {"seeds": (rows,), "latent_hash": (rows,), "log_singular_values": (rows, info.k)}
    if info.num_classes is not None:
        expected["labels"] = (rows,)
    for name in sorted(set(shapes) | set(expected)):
        if shapes.get(name) != expected.get(name) or dtypes[name] != _DTYPES[name]:
            got = f"{dtypes.get(name, 'nothing')} {list(shapes.get(name, ()))}"
            wanted = f"{_DTYPES[name]} {list(expected[name])}" if name in expected else "no such tensor"
            raise BankError(
                f"bank: {path}: tensor {name[:40]!r} is {got}, expected {wanted}",
                "the file is damaged or foreign: build it again",
            )
    if rows == 0:
        raise BankError(f"bank: {path} holds no latents", "build it again: polarprior bank build")
