"""Files that exist only when they are whole, and the user's cache."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG

from safetensors import SafetensorError

from polarprior.errors import PolarPriorError

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None  # type: ignore[assignment]

_SCRATCH = ".polarprior-"


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
        make_folder(path.parent)
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


def move_durably(file: Path, to: Path) -> None:
    """Give a file another name on the same file system, after its bytes are on the disk."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    make_folder(to.parent)
    file.replace(to)
    flush_folder(to.parent)


def write_atomically(path: Path, content: bytes, scratch: Path | None = None) -> None:
    """Write `content` to `path`, see `writing_atomically`."""
    with writing_atomically(path, scratch) as temporary:
        temporary.write_bytes(content)


def make_folder(folder: Path) -> None:
    """Make a folder where it is missing, with those above it, durably."""
    if folder.is_dir():
        return
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in missing:
        flush_folder(each.parent)


def open_regular(path: Path, flags: int) -> int:
    """Open a regular file that has no other name: in a folder of many, a link made by somebody else would lead a
    writer to another file, and a pipe would never answer.

    Args:
        path: the file.
        flags: of `os.open`, such as ``os.O_RDWR | os.O_CREAT``; without O_CREAT it has to be there.

    Returns:
        Its descriptor.

    Raises:
        FileNotFoundError: the file, or its folder, is not there.
        PolarPriorError: something else has that name, or it can't be opened.
    """
    safely = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags | safely, 0o666)
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _not_regular(path) from error
        raise _unwritable(path, error) from error
    found = os.fstat(descriptor)
    if not S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise _not_regular(path)
    return descriptor


def read_regular(path: Path, most: int) -> bytes:
    """What a regular file holds, its first `most` bytes; raises as `open_regular` does."""
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read(most)


@contextmanager
def alone_in(folder: Path) -> Iterator[bool]:
    """Wait until nobody else is here for this folder, and keep others waiting while the body runs.

    Yields:
        Whether it is so: no, and at once, where the system or the file system has no locks of folders.
    """
    if fcntl is None:
        yield False
        return
    descriptor, alone = os.open(folder, os.O_RDONLY), False
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            alone = True
        yield alone
    finally:
        os.close(descriptor)


@contextmanager
def scratch_in(folder: Path, alone: bool) -> Iterator[Path]:
    """A folder for temporary files, in a folder where nobody else has one if we are `alone` in it: what writers that
    were ended have left goes then."""
    if alone:
        for left in folder.glob(f"{_SCRATCH}{'[0-9a-f]' * 16}.tmp"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)
    scratch = folder / f"{_SCRATCH}{secrets.token_hex(8)}.tmp"
    try:
        scratch.mkdir()
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _not_regular(path: Path) -> PolarPriorError:
    return PolarPriorError(
        f"{path} is a link, has another name besides, or is no file",
        f"see who made it, and remove it: rm {shlex.quote(str(path))}",
    )


def flush_folder(folder: Path) -> None:
    """Make changes of a folder's entries durable; a no-op where folders can't be opened (Windows)."""
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
