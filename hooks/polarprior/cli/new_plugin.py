"""`polarprior new-plugin`: the files of a plugin, to begin with."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from polarprior.errors import PolarPriorError, UsageError
from polarprior.files import write_atomically
from polarprior.saying import say
from polarprior.version import __version__

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

TAKEN = ("polarprior", "all")


@click.command("new-plugin", short_help="Write a plugin for your own model, to begin with.")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write, which must not be there; polarprior-NAME here if not given.",
)
def new_plugin(name: str, out: Path | None) -> None:
    """Write a distribution polarprior-NAME whose model the command line calls NAME:FILE.

    It has a model of random weights, the conformance suite, a README and a workflow, and passes as it is. What is
    yours to write is in its model.py.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or name in TAKEN or len(name) > 50:
        raise UsageError(
            f"name: got {name[:60]!r}, expected lower-case letters, digits and single hyphens", "use such as my-model"
        )
    folder = Path(f"polarprior-{name}") if out is None else out
    if folder.exists():
        raise PolarPriorError(f"out: {folder} is there already", "name another folder, or remove it")
    module = f"polarprior_{name.replace('-', '_')}"
    major, minor = __version__.split(".")[:2]
    words = {
        "@NAME@": name,
        "@MODULE@": module,
        "@VERSION@": f"{major}.{minor}",
        "@NEXT@": f"{major}.{int(minor) + 1}",
    }
    for path, text in _templates(files("polarprior") / "template"):
        for word, meant in words.items():
            text = text.replace(word, meant)
        named = re.sub("^package/", f"{module}/", path).replace("dot_", ".")
        write_atomically(folder / named, text.encode())
    say(f"{folder}: a plugin for {name}:FILE; what is yours is in {folder / module / 'model.py'}")
    say(f"next: pip install -e '{folder}[test]', then pytest {folder}")


def _templates(folder: Traversable, above: str = "") -> list[tuple[str, str]]:
    """(path, text) of all template files."""
    found = []
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            found += _templates(each, f"{above}{each.name}/")
        elif each.name.endswith(".in"):
            found.append((above + each.name.removesuffix(".in"), each.read_text("utf-8")))
    return found
