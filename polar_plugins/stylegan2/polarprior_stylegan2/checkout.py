"""Finds a stock checkout on this machine, and makes its modules importable."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from polarprior.errors import PolarPriorError
from polarprior.stock.repo import StockRepo
from polarprior.stock.shims.modules import supply_missing_modules

FOLDER = "POLARPRIOR_VENDOR"
"""Environment variable: a checkout, or a folder that holds checkouts."""


def use_checkout(repos: Sequence[StockRepo]) -> Path:
    """Put a checkout of one of `repos`, the first preferred, on the path where modules are looked for.

    It is looked for where its modules have been imported from already, in the folder that `FOLDER` names, and in the
    current one; not in those above it, where others may be able to write.

    Raises:
        PolarPriorError: there is none, or the modules of another one have been imported.
    """
    loaded = getattr(sys.modules.get("dnnlib"), "__file__", None)
    places = [Path(loaded).parent.parent] if loaded else list(_places())
    for repo in repos:
        for folder in places:
            if repo.is_at(folder):
                supply_missing_modules()
                if str(folder) not in sys.path:
                    sys.path.insert(0, str(folder))
                return folder
    names = " or ".join(repo.name for repo in repos)
    if loaded:
        raise PolarPriorError(
            f"model: needs a checkout of {names}, and this process has imported another one, {places[0]}",
            "open the two models in two processes: their modules have the same names",
        )
    raise PolarPriorError(
        f"model: its pickle is opened by the code of {names}, and no checkout is at hand",
        f"type: git clone https://github.com/{repos[0].name}, and run this inside, or set {FOLDER} to that folder",
    )


def _places() -> Iterable[Path]:
    named = os.environ.get(FOLDER)
    if named:
        yield Path(named)
        if Path(named).is_dir():
            yield from sorted(Path(named).iterdir())
    yield Path.cwd()
