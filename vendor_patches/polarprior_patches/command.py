"""`polarprior patch REPO`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
from polarprior.plugin import PolarPriorError, UsageError, say

from polarprior_patches.apart import applied
from polarprior_patches.lines import NoMatchError, reverted


class _Change(NamedTuple):
    """A script, its bytes now and then, or the reason why it is left alone."""

    script: str
    path: Path
    before: bytes
    after: bytes
    reason: str | None = None


@click.command(short_help="Add --tilt and --polarity to the scripts of a checkout.")
@click.argument("repo", type=click.Path(path_type=Path))
@click.option("--diff", "show", is_flag=True, help="Show what would be changed, and change nothing.")
@click.option("--revert", is_flag=True, help="Take it out again, byte for byte.")
def patch(repo: Path, show: bool, revert: bool) -> None:
    """Add --tilt, --polarity, --bank, --force and --device to the scripts of the stock checkout REPO.

    Afterwards they take latents from a polarity prior with no launcher: python gen_images.py ... --tilt=-0.5
    --bank=FILE. Without either they do what they did. A script that doesn't look as expected is left untouched.
    """
    changes = list(_changes(repo, revert))
    for change in changes:
        if change.reason is not None:
            say(f"{change.script}: left untouched: {change.reason}", err=True)
        elif show:
            say("".join(_diff(change)), nl=False)
        elif change.before == change.after:
            say(f"{change.script}: {'not patched' if revert else 'patched already'}")
        else:
            _write(change)
            say(f"{change.script}: {'reverted' if revert else 'patched'}")
    if all(change.reason is not None for change in changes):
        raise PolarPriorError(
            f"REPO: no script of {repo} could be patched", "polarprior run SCRIPT needs no patch: use that"
        )


def _changes(repo: Path, revert: bool) -> Iterator[_Change]:
    from polarprior.plugin import default_host, repo_of

    from polarprior_patches.recipes import RECIPES

    if not repo.is_dir():
        raise UsageError(f"REPO: no folder {repo}", "name the folder of a stock checkout")
    known, root = repo_of(repo.resolve(), default_host().stock_repos())
    for script in RECIPES.get(known.name, {}):
        path = (root / script).resolve()  # a link stays one
        if not path.is_file() or not path.is_relative_to(root.resolve()):
            where = "it is a link that leads out of the checkout" if path.is_file() else "it is not there"
            yield _Change(script, path, b"", b"", where)
            continue
        before = path.read_bytes()
        stock = reverted(before)
        try:
            after = stock if revert else applied(known.name, script, stock)
            if reverted(after) != stock:
                raise NoMatchError("a revert would not give its bytes back")
            if not os.access(path, os.W_OK):
                raise NoMatchError("it can't be written to")
            yield _Change(script, path, before, after)
        except NoMatchError as error:
            yield _Change(script, path, before, before, str(error))


def _diff(change: _Change) -> Iterator[str]:
    before, after = (
        text.decode(errors="replace").splitlines(keepends=True) for text in (change.before, change.after)
    )
    return difflib.unified_diff(before, after, f"a/{change.script}", f"b/{change.script}")


def _write(change: _Change) -> None:
    from polarprior.plugin import write_atomically

    mode = change.path.stat().st_mode
    write_atomically(change.path, change.after)
    change.path.chmod(mode)
