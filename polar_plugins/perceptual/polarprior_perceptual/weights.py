"""Files of weights: found, or downloaded, and checked before they are opened."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from polarprior.plugin import PolarPriorError, private_copy, user_cache, writing_atomically

VARIABLE = "POLARPRIOR_WEIGHTS"
"""Names the folder of weights."""


class WeightsFile(NamedTuple):
    """A file of weights.

    Attributes:
        name: of the file.
        url: where its authors have it.
        sha256: of the whole file, as hex, or its beginning where that is all that its authors say.
        licence: as they state it.
    """

    name: str
    url: str
    sha256: str
    licence: str


def folder() -> Path:
    """Where weights are: what `VARIABLE` names, else the user's cache."""
    if named := os.environ.get(VARIABLE):
        return Path(named)
    cache = user_cache()
    if cache is None:
        raise PolarPriorError(f"weights: no {VARIABLE}, and no home", f"name the folder of weights in {VARIABLE}")
    return cache / "weights"


@contextmanager
def checked(file: WeightsFile) -> Iterator[Path]:
    """A copy of `file`, which is downloaded where it isn't there yet: what is opened is what was compared.

    Raises:
        PolarPriorError: it isn't there and can't be had, or is another file.
    """
    path = folder() / file.name
    if not path.exists():
        _download(file, path)
    with private_copy(path) as (copy, digest):
        if not digest.startswith(file.sha256):
            raise PolarPriorError(
                f"weights: {path} has sha256 {digest}, expected {file.sha256}",
                f"remove it, and fetch it from {file.url}",
            )
        yield copy


def _download(file: WeightsFile, path: Path) -> None:
    from tqdm import tqdm

    try:
        with urllib.request.urlopen(file.url, timeout=30) as answer, writing_atomically(path) as temporary:
            size = int(answer.headers.get("Content-Length") or 0) or None
            with temporary.open("wb") as out, tqdm(total=size, unit="B", unit_scale=True, desc=file.name) as bar:
                while block := answer.read(1 << 20):
                    out.write(block)
                    bar.update(len(block))
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise PolarPriorError(
            f"weights: no file {path}, and {file.url} can't be had: {reason}",
            f"fetch it where there is a network, and put it there, or name its folder in {VARIABLE}",
        ) from error
