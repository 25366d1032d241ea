"""Where files of the Hub lie on this machine: a folder a commit, in the user's cache."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from polarprior.cache_folder import VARIABLE, cache_folder, ensure_private
from polarprior.errors import PolarPriorError
from polarprior.files import read_regular, write_atomically
from polarprior.hub.name import HubName

LISTING_LIMIT = 1 << 24


def folder_of(name: HubName) -> Path:
    """The folder of a repository, made where it is missing, mode 0700.

    Raises:
        PolarPriorError: there is none that only this user may enter.
    """
    cache = cache_folder()
    folder = None if cache is None else cache / "hub" / name.repo.replace("/", "--")
    if folder is None or not ensure_private(folder.parent) or not ensure_private(folder):
        raise PolarPriorError(
            f"{name}: no folder to keep it in, that you can write to and nobody else may enter",
            f"name one: {VARIABLE}=FOLDER",
        )
    return folder


def commit_folder(name: HubName, kind: str) -> Path:
    """The folder for what has come of the commit that a pinned name is at; it may not be there.

    Args:
        name: pinned.
        kind: ``banks``, which are checked before they are there, or ``files``, which are not.
    """
    return folder_of(name) / name.revision / kind


def transfer_folder(name: HubName, kind: str) -> Path:
    """Where a file lies, with those that come with it, until it is whole, and where it has to be, checked."""
    return folder_of(name) / name.revision / f"{kind}-to-come" / name.file


def kept_commit(name: HubName) -> str | None:
    """The commit that a revision was when it was last asked for; None where it never was."""
    if name.is_pinned:
        return name.revision
    with suppress(OSError, ValueError, PolarPriorError):
        commit = read_regular(_ref(name), 64).decode("ascii")
        return commit if name.at(commit).is_pinned else None
    return None


def keep_commit(name: HubName, commit: str) -> None:
    """Remember which commit a revision is."""
    if not name.is_pinned:
        write_atomically(_ref(name), commit.encode())


def kept_files(name: HubName) -> dict[str, int] | None:
    """Paths and sizes of all files of a commit, as the Hub has listed them; None where it never has."""
    with suppress(OSError, ValueError, PolarPriorError):
        found = json.loads(read_regular(_listing(name), LISTING_LIMIT))
        if isinstance(found, dict) and all(isinstance(size, int) for size in found.values()):
            return found
    return None


def keep_files(name: HubName, files: dict[str, int]) -> None:
    """Remember the files of a commit."""
    write_atomically(_listing(name), json.dumps(files).encode())


def _ref(name: HubName) -> Path:
    return folder_of(name) / f"{name.revision}.commit"


def _listing(name: HubName) -> Path:
    return folder_of(name) / f"{name.revision}.files.json"
