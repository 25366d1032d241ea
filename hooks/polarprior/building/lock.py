"""Who builds here? Locks that go with the process that holds them, whatever ends it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polarprior.errors import PolarPriorError
from polarprior.files import fcntl, make_folder, open_regular

HOLDER_LIMIT = 200
PATIENCE = 10.0
"""Seconds that a builder waits for one that only looks whether all is done."""


class Held(PolarPriorError):
    """Somebody else builds there."""


@contextmanager
def held(path: Path, what: str, *, shared: bool = False, wait: float | None = 0.0) -> Iterator[None]:
    """Hold a lock file while the body runs.

    Args:
        path: the file; it is made, and says who holds it.
        what: what is held, for the error.
        shared: together with others who share it.
        wait: seconds to wait for it; None for ever.

    Raises:
        Held: somebody else holds it, saying who.
        PolarPriorError: it is a link, or can't be locked.
    """
    descriptor = _acquire(path, what, shared, wait)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path, what: str, shared: bool, wait: float | None) -> int:
    deadline = None if wait is None else time.monotonic() + wait
    while True:
        make_folder(path.parent)
        try:
            descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:  # the one who held it has just removed the folder
            continue
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = " ".join(os.read(descriptor, HOLDER_LIMIT).decode(errors="replace").split())
            os.close(descriptor)
            if deadline is not None and time.monotonic() >= deadline:
                raise Held(
                    f"{what} is being built by {holder or 'somebody else'}", "wait for it, or name another out=BANK"
                ) from None
            time.sleep(0.2)
            continue
        except OSError as error:
            os.close(descriptor)
            raise PolarPriorError(
                f"out: can't lock {path}: {error.strerror}", "name a folder on a file system that has flock"
            ) from error
        if _is_still(path, descriptor):
            with suppress(OSError):  # who holds it is a courtesy, and a full disk has no room for it
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            return descriptor
        os.close(descriptor)  # the one who held it has removed it: take the new one


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
