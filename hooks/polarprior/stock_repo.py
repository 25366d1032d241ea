"""What a plugin says about somebody else's checkout, and how one is recognised."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from polarprior.errors import PIP, UsageError


@dataclass(frozen=True)
class StockRepo:
    """A stock repository: a checkout with scripts of its own, or a package around which people write theirs.

    Attributes:
        name: as people know it, such as ``NVlabs/stylegan3``.
        markers: files, relative to the checkout, that together tell this repository from any other.
        scripts: its scripts that draw latents, relative to the checkout.
        connect: ``MODULE:FUNCTION``, imported and called once before the script starts, or the function itself. It is
            given the `polarprior.plugin.StockRun`, puts the plugin's hands on the place where latents pass (the
            seam), and mends what is the repository's own. Called without a polarity as well.
        refusals: why a polarity prior has no place in a script: script to reason.
        imports: modules that its scripts import and polarprior doesn't: module to what pip calls it.
        package: a package that draws latents, in place of `markers` and `scripts`: any script that imports it is one
            of the repository's, wherever it lies.
    """

    name: str
    markers: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    connect: str | Callable[[Any], None] = ""
    refusals: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, str] = field(default_factory=dict)
    package: str = ""

    def check_draws(self, script: str) -> None:
        """Raise UsageError unless `script` (relative to the checkout) draws latents that may be replaced."""
        if self.package or script in self.scripts:
            return
        reason = self.refusals.get(script, "it is not known to draw latents")
        raise UsageError(
            f"rho: {script} of {self.name} takes none: {reason}",
            f"leave it out, or use it with {', '.join(self.scripts)}",
        )

    def is_at(self, folder: Path) -> bool:
        """Whether `folder` is a checkout of this repository, by the files that are there."""
        return bool(self.markers) and all((folder / marker).is_file() for marker in self.markers)


class Published(NamedTuple):
    """A repository whose plugin is published, and may not be installed.

    Attributes:
        distribution: what pip calls the plugin.
        repo: what tells the repository from the others here.
    """

    distribution: str
    repo: StockRepo


PUBLISHED = (
    Published(
        "polarprior-stylegan2", StockRepo("NVlabs/stylegan2-ada-pytorch", ("generate.py", "training/networks.py"))
    ),
    Published(
        "polarprior-stylegan3", StockRepo("NVlabs/stylegan3", ("avg_spectra.py", "training/networks_stylegan3.py"))
    ),
    Published(
        "polarprior-stylegan-forks",
        StockRepo("autonomousvision/projected-gan", ("gen_images.py", "pg_modules/networks_fastgan.py")),
    ),
    Published(
        "polarprior-stylegan-forks",
        StockRepo("autonomousvision/stylegan-xl", ("gen_images.py", "training/networks_stylegan3_resetting.py")),
    ),
    Published("polarprior-stylegan-forks", StockRepo("brownvc/R3GAN", ("gen_images.py", "R3GAN/Networks.py"))),
    Published("polarprior-biggan-deep", StockRepo("ajbrock/BigGAN-PyTorch", ("sample.py", "BigGANdeep.py"))),
    Published(
        "polarprior-progan", StockRepo("facebookresearch/pytorch_GAN_zoo", ("eval.py", "models/progressive_gan.py"))
    ),
    Published("polarprior-progan", StockRepo("genforce/genforce", ("synthesize.py", "models/pggan_generator.py"))),
    Published("polarprior-nvae", StockRepo("NVlabs/NVAE", ("evaluate.py", "neural_ar_operations.py"))),
    # generate.py and training/networks.py are StyleGAN2's as well
    Published("polarprior-edm", StockRepo("NVlabs/edm", ("generate.py", "training/networks.py", "fid.py"))),
    Published("polarprior-edm", StockRepo("NVlabs/edm2", ("generate_images.py", "training/networks_edm2.py"))),
)


def published_at(folder: Path) -> tuple[Published, Path] | None:
    """The repository of `PUBLISHED` that `folder` belongs to, and the checkout's own folder: it, or the nearest above
    it; None where there is none."""
    found = _nearest(folder, [each.repo for each in PUBLISHED])
    return found and (next(each for each in PUBLISHED if each.repo is found[0]), found[1])


def _nearest(folder: Path, repos: Iterable[StockRepo]) -> tuple[StockRepo, Path] | None:
    """Which of the repositories `folder` belongs to, the one with the most markers, and the checkout's own folder."""
    repos = list(repos)
    for root in (folder, *folder.parents):
        matches = [repo for repo in repos if repo.is_at(root)]
        if matches:
            return max(matches, key=lambda repo: len(repo.markers)), root
    return None


def repo_of_script(script: Path, repos: Iterable[StockRepo]) -> tuple[StockRepo, Path]:
    """The repository that a script belongs to, and its folder: that of the checkout in which the script lies, or the
    script's own, where it is a user's and imports a `StockRepo.package`.

    Raises:
        UsageError: neither.
    """
    folder, repos = script.resolve().parent, list(repos)
    try:
        return repo_of(folder, repos)
    except UsageError:
        imported = _imported_by(script)
        for repo in repos:
            if repo.package in imported:
                return repo, folder
        raise


def _imported_by(script: Path) -> set[str]:
    """The packages that a script's own text imports; none where it is no Python."""
    try:
        nodes = list(ast.walk(ast.parse(script.read_bytes())))
    except (SyntaxError, ValueError):
        return set()
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.partition(".")[0] for name in names} - {""}


def repo_of(folder: Path, repos: Iterable[StockRepo]) -> tuple[StockRepo, Path]:
    """The repository that `folder` belongs to, and the checkout's own folder: it, or the nearest above it.

    Where several match, as forks do, it is the one with the most markers.

    Raises:
        UsageError: no checkout that an installed plugin knows.
    """
    repos = list(repos)
    nearest = _nearest(folder, repos)
    if nearest is not None:
        return nearest
    known = ", ".join(sorted({repo.name for repo in repos})) or "none"
    found = published_at(folder)
    plugin = found[0].distribution if found else "polarprior-stylegan3"
    raise UsageError(
        f"{folder} is no checkout of a stock repository that an installed plugin knows; known: {known}",
        f"install the model's plugin, {'' if found else 'such as: '}{PIP} {plugin}; see: polarprior plugins",
    )
