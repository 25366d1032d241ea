"""One file of a repository of the Hub, such as a checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

from polarprior.errors import UsageError
from polarprior.files import alone_in, make_folder, move_durably
from polarprior.hub import client
from polarprior.hub.folder import commit_folder, transfer_folder
from polarprior.hub.name import HubName
from polarprior.saying import say, size_text


def fetched_file(name: HubName) -> tuple[Path, HubName]:
    """Bring a file here, unless it is here already.

    Returns:
        Its path in the cache, and its name, pinned to a commit.

    Raises:
        UsageError: no such file.
        PolarPriorError: see `polarprior.hub.client.snapshot` and `fetch`; what has arrived stays for the next call.
    """
    found = client.snapshot(name)
    pinned = found.name.of(name.file)
    if name.file not in found.files:
        some = ", ".join(file[:80] for file in sorted(found.files)[:5])
        raise UsageError(f"{name} is not there", f"name a file of it, such as {some}" if some else "it is empty")
    folder, transfer = commit_folder(pinned, "files"), transfer_folder(pinned, "files")
    path, size = folder / name.file, found.files[name.file]
    make_folder(folder)
    with alone_in(folder):
        if not path.is_file():
            say(f"fetching {pinned}: {size_text(size)}", err=True)
            client.fetch([pinned], [size], transfer)
            move_durably(transfer / name.file, path)
            shutil.rmtree(transfer, ignore_errors=True)
    return path, pinned
