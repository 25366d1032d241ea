"""Arrays that a large bank gives slowly, kept for the next time. A cache is believed only if this user wrote it."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from stat import S_ISREG

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from polarprior.bank.format import BankFile
from polarprior.errors import PolarPriorError
from polarprior.files import user_cache, writing_atomically

SMALL = 1 << 26
"""Bytes of a bank that is read again rather than cached: it takes a tenth of a second."""
KEY_BYTES = 32
LONGEST = 1 << 26
"""Numbers in an array whose length is not known."""


class BankCache:
    """Arrays of one bank by name, in ``NAME.cache`` beside it, or in the user's cache where that can't be written
    or is an installed package.

    Each carries a keyed hash over its name, its contents, and the digests, sizes and times of the bank's files, with
    a key that only this user has: what another wrote, or what was changed, or is of a bank that has since been
    changed, is taken for missing. A folder that is a link is not used. Whoever can't keep a cache has none, and no
    error.

    Args:
        path: the bank.
        files: its files.

    Attributes:
        large: whether what its rows give is worth keeping.
    """

    def __init__(self, path: Path, files: Sequence[BankFile]):
        stats = [file.path.stat() for file in files if file.path is not None]
        self.large = sum(stat.st_size for stat in stats) >= SMALL
        state = [(file.info.digest, stat.st_size, stat.st_mtime_ns) for file, stat in zip(files, stats, strict=True)]
        self._bound_to = hashlib.sha256(str(state).encode()).hexdigest()
        digests = [file.info.digest for file in files]
        self._lasting = hashlib.sha256(str(digests).encode()).hexdigest()
        own = user_cache()
        installed = "site-packages" in path.absolute().parts  # what pip has put there is not ours to add to
        self._folders = [] if installed else [path.with_name(path.name + ".cache")]
        if own is not None:
            self._folders.append(own / self._lasting[:16])

    @cached_property
    def _key(self) -> bytes | None:
        """This user's key; None for one who has none."""
        own = user_cache()
        return None if own is None else _key(own)

    def get(self, name: str, length: int | None, dtype: type) -> np.ndarray | None:
        """The array [length] of that name, or None. `length` None: one of any length, that was put to last."""
        most = LONGEST if length is None else length
        bound_to = self._bound_to if length is not None else self._lasting
        for file in self._files(name, bound_to):
            with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError):
                found = file.lstat()
                if not S_ISREG(found.st_mode) or found.st_size > most * np.dtype(dtype).itemsize + 1024:
                    continue
                with safe_open(file, framework="numpy") as opened:
                    array, tag = opened.get_tensor(name), (opened.metadata() or {}).get("tag", "")
                valid = array.shape == (array.size if length is None else length,) and array.dtype == dtype
                if valid and hmac.compare_digest(tag, self._tag(name, array, bound_to)):
                    return array
        return None

    def put(self, name: str, array: np.ndarray, lasts: bool = False) -> bool:
        """Keep an array [n], where there is room and right to do it; whether there was.

        What `lasts` belongs to the bank's contents whatever happens to its files, and is never removed.
        """
        bound_to = self._lasting if lasts else self._bound_to
        for file in self._files(name, bound_to):
            with suppress(PolarPriorError, OSError):
                with writing_atomically(file) as temporary:
                    save_file({name: array}, temporary, metadata={"tag": self._tag(name, array, bound_to)})
                self._forget(file.parent)
                return True
        return False

    def _forget(self, folder: Path) -> None:
        """Remove what was kept here of the bank as it was before."""
        for other in folder.iterdir():
            mine = other.name.startswith((self._bound_to[:16], "kept-"))
            if re.fullmatch(r"[0-9a-f]{16}-[\w.-]+\.safetensors", other.name) and not mine:
                other.unlink()

    def _files(self, name: str, bound_to: str) -> list[Path]:
        """Where an array of that name may be; nowhere for a user without a key."""
        prefix = "kept-" if bound_to == self._lasting else ""
        file = f"{prefix}{bound_to[:16]}-{re.sub('[^a-z0-9.-]', '_', name)}.safetensors"
        return [folder / file for folder in self._folders if self._key and not folder.is_symlink()]

    def _tag(self, name: str, array: np.ndarray, bound_to: str) -> str:
        about = f"{bound_to}:{name}:{array.dtype}:{array.shape};"
        tag = hmac.new(self._key or b"", about.encode(), hashlib.sha256)
        tag.update(np.ascontiguousarray(array).data)
        return tag.hexdigest()


def _key(folder: Path) -> bytes | None:
    """This user's key, made the first time; None where it can neither be read nor made."""
    path = folder / "key"
    with suppress(OSError, PolarPriorError):
        if not path.exists():
            with writing_atomically(path, mode=0o600) as temporary:
                temporary.write_bytes(secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
        return key if len(key) == KEY_BYTES else None
    return None
