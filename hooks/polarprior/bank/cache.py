"""Arrays that a large bank gives slowly, kept for the next time. A cache is believed only if this user wrote it."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from polarprior.bank.format import BankFile
from polarprior.errors import PolarPriorError
from polarprior.files import writing_atomically

SMALL = 1 << 26
"""Bytes of a bank that is read again rather than cached: it takes a tenth of a second."""
KEY_BYTES = 32


class BankCache:
    """Arrays of one bank by name, in ``NAME.cache`` beside it, or in the user's cache where that can't be written.

    Each carries a keyed hash over its name, its contents, and the digests, sizes and times of the bank's files, with
    a key that only this user has: what another wrote, or what was changed, or is of a bank that has since been
    changed, is taken for missing. Whoever can't keep a cache has none, and no error.
    """

    def __init__(self, path: Path, files: Sequence[BankFile]):
        paths = [file.path for file in files if file.path is not None]
        stats = [each.stat() for each in paths]
        self._enabled = bool(paths) and sum(stat.st_size for stat in stats) >= SMALL
        if not self._enabled:
            return
        state = [(file.info.digest, stat.st_size, stat.st_mtime_ns) for file, stat in zip(files, stats, strict=True)]
        self._bound_to = hashlib.sha256(str(state).encode()).hexdigest()
        self._folders = [path.with_name(path.name + ".cache"), user_cache() / self._bound_to[:16]]

    def get(self, name: str, length: int, dtype: type) -> np.ndarray | None:
        """The array [length] of that name, or None."""
        key = _key() if self._enabled else None
        for folder in self._folders if key else []:
            with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError):
                file = folder / self._file(name)
                if file.stat().st_size > length * np.dtype(dtype).itemsize + 1024:
                    continue
                with safe_open(file, framework="numpy") as opened:
                    array, tag = opened.get_tensor(name), (opened.metadata() or {}).get("tag", "")
                valid = array.shape == (length,) and array.dtype == dtype
                if valid and hmac.compare_digest(tag, self._tag(key, name, array)):
                    return array
        return None

    def put(self, name: str, array: np.ndarray) -> None:
        """Keep an array [n], where there is room and right to do it."""
        key = _key() if self._enabled else None
        for folder in self._folders if key else []:
            with suppress(PolarPriorError):
                with writing_atomically(folder / self._file(name)) as temporary:
                    save_file({name: array}, temporary, metadata={"tag": self._tag(key, name, array)})
                for other in folder.glob("*.safetensors"):  # of the bank as it was before
                    if not other.name.startswith(self._bound_to[:16]):
                        other.unlink(missing_ok=True)
                return

    def _file(self, name: str) -> str:
        return f"{self._bound_to[:16]}-{re.sub('[^a-z0-9.-]', '_', name)}.safetensors"

    def _tag(self, key: bytes | None, name: str, array: np.ndarray) -> str:
        tag = hmac.new(key or b"", f"{self._bound_to}:{name}:{array.dtype}:{array.shape};".encode(), hashlib.sha256)
        tag.update(np.ascontiguousarray(array).data)
        return tag.hexdigest()


def user_cache() -> Path:
    """``$XDG_CACHE_HOME/polarprior``, by default ``~/.cache/polarprior``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polarprior"


def _key() -> bytes | None:
    """This user's key, made the first time; None where it can neither be read nor made."""
    path = user_cache() / "key"
    with suppress(OSError, PolarPriorError, RuntimeError):
        if not path.exists():
            with writing_atomically(path, mode=0o600) as temporary:
                temporary.write_bytes(secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
        return key if len(key) == KEY_BYTES else None
    return None
