"""Finds a stock checkout on this machine, and makes its modules importable."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from polarprior.errors import PolarPriorError
from polarprior.stock.shims.modules import supply_missing_modules
from polarprior.stock_repo import StockRepo

FOLDER = "POLARPRIOR_VENDOR"
"""Environment variable: a checkout, or a folder that holds checkouts."""


def use_checkout(repos: Sequence[StockRepo]) -> None:
    """Put a checkout of one of `repos`, the first preferred, on the path where modules are looked for.

    It is looked for where its modules have been imported from already, in the folder that `FOLDER` names, and in the
    current one; not in those above it, where others may be able to write.

    Raises:
        PolarPriorError: there is none, or the modules of another one, which have the same names, have been imported.
    """
    imported = next((root for repo in repos for root in _imported_from(repo)), None)
    for repo in repos:
        for folder in [imported] if imported else _places():
            if repo.is_at(folder):
                supply_missing_modules()
                if str(folder) not in sys.path:
                    sys.path.insert(0, str(folder))
                return
    names = " or ".join(repo.name for repo in repos)
    if imported:
        raise PolarPriorError(
            f"model: needs a checkout of {names}, and this process has imported modules of its names from {imported}",
            "open the model in a process of its own, which has imported no others",
        )
    raise PolarPriorError(
        f"model: it is opened by the code of {names}, and no checkout is at hand",
        f"type: git clone https://github.com/{repos[0].name}, and run this inside, or set {FOLDER} to that folder",
    )


def _imported_from(repo: StockRepo) -> Iterable[Path]:
    """The folders from which modules or packages have been imported that are called as this repository's are."""
    for marker in repo.markers:
        parts = PurePosixPath(marker).with_suffix("").parts
        for depth in range(1, len(parts) + 1):
            file = getattr(sys.modules.get(".".join(parts[:depth])), "__file__", None)
            if file:
                path = Path(file)
                yield (path.parent if path.stem == "__init__" else path).parents[depth - 1]


def _places() -> Iterable[Path]:
    named = os.environ.get(FOLDER)
    if named:
        yield Path(named)
        if Path(named).is_dir():
            yield from sorted(Path(named).iterdir())
    yield Path.cwd()
