"""What a plugin says about somebody else's checkout, and how one is recognised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polarprior.errors import UsageError


@dataclass(frozen=True)
class StockRepo:
    """A stock repository.

    Attributes:
        name: as people know it, such as ``NVlabs/stylegan3``.
        markers: files, relative to the checkout, that together tell this repository from any other.
        scripts: its scripts that draw latents, relative to the checkout.
        connect: ``MODULE:FUNCTION``, imported and called once before the script starts, or the function itself. It is
            given the `polarprior.plugin.StockRun`, puts the plugin's hands on the place where latents pass (the
            seam), and mends what is the repository's own. Called without a polarity as well.
        refusals: why a polarity prior has no place in a script: script to reason.
    """

    name: str
    markers: tuple[str, ...]
    scripts: tuple[str, ...]
    connect: str | Callable[[Any], None]
    refusals: Mapping[str, str] = field(default_factory=dict)

    def check_draws(self, script: str) -> None:
        """Raise UsageError unless `script` (relative to the checkout) draws latents that may be replaced."""
        if script in self.scripts:
            return
        reason = self.refusals.get(script, "it is not known to draw latents")
        raise UsageError(
            f"rho: {script} of {self.name} takes none: {reason}",
            f"leave it out, or use it with {', '.join(self.scripts)}",
        )

    def is_at(self, folder: Path) -> bool:
        """Whether `folder` is a checkout of this repository, by the files that are there."""
        return all((folder / marker).is_file() for marker in self.markers)


def repo_of(folder: Path, repos: Iterable[StockRepo]) -> tuple[StockRepo, Path]:
    """The repository that `folder` belongs to, and the checkout's own folder: it, or the nearest above it.

    Where several match, as forks do, it is the one with the most markers.

    Raises:
        UsageError: no checkout that an installed plugin knows.
    """
    repos = list(repos)
    for root in (folder, *folder.parents):
        matches = [repo for repo in repos if repo.is_at(root)]
        if matches:
            return max(matches, key=lambda repo: len(repo.markers)), root
    known = ", ".join(sorted({repo.name for repo in repos})) or "none"
    raise UsageError(
        f"{folder} is no checkout of a stock repository that an installed plugin knows; known: {known}",
        "install the model's plugin, such as: pip install polarprior-stylegan3; see: polarprior plugins",
    )
