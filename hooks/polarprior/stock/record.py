"""What a stock run leaves beside its pictures: the law, the bank, and which seed became which."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarprior.errors import PolarPriorError, warn
from polarprior.files import write_atomically
from polarprior.version import __version__

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.stock.sampler import StockSampler

NAME = "polarprior.json"
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".mp4", ".npz", ".npy", ".pt", ".pth")


class Folder:
    """Where a script writes its pictures: the folder of the first file of such a kind that it opens to write."""

    def __init__(self) -> None:
        self.found: str | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or self.found is not None or len(arguments) < 3:
            return
        name, _, flags = arguments[:3]
        if isinstance(name, str) and name.lower().endswith(PICTURES) and isinstance(flags, int) and flags & _WRITING:
            self.found = os.path.dirname(os.path.abspath(name))


def _name() -> str:
    """What the record of this process is called."""
    from polarprior.building.ranks import share_of_environment  # imports torch

    share = share_of_environment({name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")})
    return NAME if share is None else NAME.replace(".", f"-{share.number}-of-{share.count}.")


_WRITING = os.O_WRONLY | os.O_RDWR


def write_record(
    folder: Path, script: str, arguments: Sequence[str], bank: Bank, samplers: Sequence[StockSampler]
) -> None:
    """Write what was drawn into ``FOLDER/polarprior.json``; a warning where that can't be done. Of several processes
    that torchrun has started, each writes its own, ``polarprior-1-of-2.json`` and on.

    Args:
        folder: where the pictures are.
        script: relative to its checkout.
        arguments: the script's own.
        bank: that they were drawn from.
        samplers: a law each, with what it drew.
    """
    found = {
        "polarprior": __version__,
        "script": script,
        "arguments": list(arguments),
        **bank.stored(),
        "draws": [each.record() for each in samplers],
    }
    try:
        write_atomically(folder / _name(), json.dumps(found, indent=1, sort_keys=True).encode())
    except PolarPriorError as error:
        warn(error.message)
