"""Files that exist only when they are whole."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from polarprior.errors import PolarPriorError


def check_writable(path: Path) -> None:
    """Raise now, before hours of work, if `path` could not be written later; leaves nothing behind."""
    existing = next(folder for folder in path.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise _unwritable(path, error) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the whole new one.

    The bytes go to a temporary name in the same folder, are flushed to the disk, and the file is then
    renamed. Whatever goes wrong, the temporary file is removed. A missing folder is created.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _flush_folder(folder: Path) -> None:
    """Make a rename durable; a no-op where folders can't be opened (Windows)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> PolarPriorError:
    return PolarPriorError(
        f"can't write {path}: {error.strerror or error}",
        "name a folder that you can write to and that has room",
    )
