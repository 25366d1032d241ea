"""A file that is opened only if it is the one that the user means."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from polarprior.errors import PolarPriorError, UsageError


@contextmanager
def pinned(path: Path, sha256: str) -> Iterator[Path]:
    """A copy of `path` that nobody else can write to: what is opened is what was compared.

    Args:
        path: the file.
        sha256: its digest, as hex.

    Raises:
        UsageError: no digest, or no file.
        PolarPriorError: the file has another one.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"sha256: got {sha256[:80]!r}, expected 64 hexadecimal digits", "see: sha256sum FILE")
    if not path.is_file():
        raise UsageError(f"sha256: {path} is no file to compare", "name one: PLUGIN:FILE, or leave it out")
    with private_copy(path) as (copy, digest):
        if digest != sha256.lower():
            raise PolarPriorError(
                f"sha256: {path} has {digest}, expected {sha256.lower()}: it was not opened",
                "fetch it again from where you trust it",
            )
        yield copy


@contextmanager
def private_copy(path: Path) -> Iterator[tuple[Path, str]]:
    """A copy of `path` that nobody else can write to, and its sha256 as hex."""
    digest = hashlib.sha256()
    with TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        with path.open("rb") as file, copy.open("wb") as out:
            while block := file.read(1 << 20):
                digest.update(block)
                out.write(block)
        yield copy, digest.hexdigest()
