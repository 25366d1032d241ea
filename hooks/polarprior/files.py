"""Files that exist only when they are whole, and the user's cache."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from polarprior.errors import PolarPriorError


def sha256_of(path: Path) -> str:
    """sha256 of a file, as hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_writable(path: Path) -> None:
    """Raise now, before hours of work, if `path` could not be written later; leaves nothing behind."""
    existing = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def writing_atomically(path: Path, scratch: Path | None = None) -> Iterator[Path]:
    """A temporary name to write to, which becomes `path`: a reader sees the old file or the whole new one.

    The file is flushed to the disk and then renamed. Whatever goes wrong, the temporary file is removed. A missing
    folder is created. Of several who write one file at once, on one machine or on many, the last wins.

    Args:
        path: the file.
        scratch: folder for the temporary name, on the same file system; that of `path` where None.

    Raises:
        PolarPriorError: the folder can't be written to, or has no room.
    """
    temporary = (scratch or path.parent) / f".{path.name}.{secrets.token_hex(8)}.tmp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))  # never through a link
        allowed = temporary.stat().st_mode
        yield temporary
        temporary.chmod(allowed)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        flush_folder(path.parent)
    except (OSError, SafetensorError) as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_atomically(path: Path, content: bytes, scratch: Path | None = None) -> None:
    """Write `content` to `path`, see `writing_atomically`."""
    with writing_atomically(path, scratch) as temporary:
        temporary.write_bytes(content)


def flush_folder(folder: Path) -> None:
    """Make a rename durable; a no-op where folders can't be opened (Windows)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unwritable(path: Path, error: Exception) -> PolarPriorError:
    reason = getattr(error, "strerror", None) or str(error).rsplit(": ", 1)[-1]
    return PolarPriorError(
        f"can't write {path}: {reason}",
        "name a folder that you can write to and that has room",
    )


def user_cache() -> Path | None:
    """``$XDG_CACHE_HOME/polarprior``, by default ``~/.cache/polarprior``; None for a user without a home."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "polarprior"
    except RuntimeError:
        return None
