"""One file of a repository of the Hub, such as a checkpoint."""

from __future__ import annotations

import shutil
from pathlib import Path

from polarprior.errors import UsageError
from polarprior.files import alone_in, make_folder
from polarprior.hub import client
from polarprior.hub.folder import commit_folder
from polarprior.hub.name import HubName
from polarprior.saying import say, size_text

TRANSFER = ".transfer"
"""Where files lie that have not come whole, or have not been checked, in the folder of their commit."""


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
        some = ", ".join(ascii(file)[1:-1][:80] for file in sorted(found.files)[:5])
        raise UsageError(f"{name} is not there", f"name a file of it, such as {some}" if some else "it is empty")
    folder, size = commit_folder(pinned), found.files[name.file]
    path = folder / name.file
    make_folder(folder)
    with alone_in(folder):
        if not path.is_file():
            say(f"fetching {pinned}: {size_text(size)}", err=True)
            client.fetch([pinned], [size], folder / TRANSFER)
            make_folder(path.parent)
            (folder / TRANSFER / name.file).replace(path)
            shutil.rmtree(folder / TRANSFER, ignore_errors=True)
    return path, pinned
