"""What a training leaves: one safetensors file, with a description in its metadata. Files of others are read with
care."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from polarprior.plugin import PolarPriorError, UsageError, check_writable, foreign_json, refusing, writing_atomically
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

KEY = "polarprior"
LARGEST = 1 << 30
"""Bytes."""


SUFFIX = ".safetensors"

Made = TypeVar("Made")


def file_to_write(out: Path, example: str) -> Path:
    """The file that ``--out`` names, with its suffix; it can be written.

    Args:
        out: as it was typed.
        example: what could have been typed.

    Raises:
        UsageError: a folder, or nothing.
        PolarPriorError: it can't be written.
    """
    if not out.name or out.is_dir():
        raise UsageError(f"out: got {str(out)!r}, expected a file", f"use such as out={example}")
    out = out if out.suffix == SUFFIX else out.with_name(out.name + SUFFIX)
    if out.is_dir():
        raise UsageError(f"out: {out} is a folder", f"use such as out={example}")
    check_writable(out)
    return out


def save_described(path: Path, kind: str, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write tensors with what is said about them, atomically.

    Args:
        path: the file.
        kind: of file, with its version, such as ``polarprior-flow/1``.
        about: anything that JSON holds.
        tensors: by name.
    """
    whole = {name: each.detach().cpu().contiguous() for name, each in tensors.items()}
    described = json.dumps({"format": kind, **about}, sort_keys=True)
    with writing_atomically(path) as temporary:
        save_file(whole, temporary, metadata={KEY: described})


def read_described(
    path: Path,
    kind: str,
    what: str,
    thing: str,
    hint: str,
    make: Callable[[Path, dict[str, Any], dict[str, Tensor]], Made],
) -> Made:
    """What a file of `save_described` holds.

    Args:
        path: as it was typed; see `found_file`.
        kind: of file.
        what: what the file should be, for errors, such as ``model``.
        thing: what is in it, for errors, such as ``PAGAN``.
        hint: what to type to have one.
        make: of the file's path, about and tensors. Whatever it raises says that the file is none.

    Raises:
        PolarPriorError: no such file, or it holds none.
    """
    path = found_file(path, what, hint)
    complaint = f"{what}: {path} holds no {thing}"
    about, tensors = open_described(path, kind, complaint, hint)
    with refusing(complaint, hint):
        try:
            return make(path, about, tensors)
        except UsageError as error:  # of a value that nobody has typed
            raise ValueError(error.message) from error


def found_file(path: Path, what: str, hint: str) -> Path:
    """`path`, or the same with ``.safetensors`` behind it.

    Args:
        path: as it was typed.
        what: what the file should be, for errors, such as ``flow``.
        hint: what to type to have one.

    Raises:
        PolarPriorError: no such file, or one that is too large.
    """
    whole = Path(f"{path}{SUFFIX}")
    try:
        found = next((each for each in (path, whole) if each.is_file()), None)
    except OSError:  # a name that is too long for a file
        found = None
    if found is None:
        raise PolarPriorError(f"{what}: no file {whole}", hint)
    path = found
    if path.stat().st_size > LARGEST:
        raise PolarPriorError(f"{what}: {path} has more than {LARGEST} bytes", hint)
    return path


def open_described(path: Path, kind: str, complaint: str, hint: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What `save_described` wrote: about, tensors. Nothing is known of either, but that its texts are `Foreign`, and
    its tensors finite.

    Raises:
        PolarPriorError: the file is of another kind, or damaged; it begins with `complaint`, see `refusing`.
    """
    with refusing(complaint, hint), safe_open(path, framework="torch") as opened:
        about = foreign_json((opened.metadata() or {}).get(KEY, "{}"))
        found = about.pop("format", None)
        if found != kind:
            raise ValueError(f"its format is {found!r}, expected {kind!r}")
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        if not all(bool(each.isfinite().all()) for each in tensors.values()):
            raise ValueError("tensors that are not finite")
        return about, tensors
