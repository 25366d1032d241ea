"""Looks at trained networks one by one, a process for each, since stock repositories share names of modules."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from weights import WEIGHTS

RESULTS = Path(__file__).parent / "results"
OPTION = "--here"
"""What tells a script that it is that process, followed by the file that it leaves."""


def named(words: Sequence[str]) -> list[tuple[str, ...]]:
    """The family and set that were typed, or those of all kept weights."""
    return (
        [tuple(words)] if words else [tuple(path.stem.split("-")) for path in sorted(WEIGHTS.glob("*.safetensors"))]
    )


def look_at(script: str, names: Iterable[tuple[str, ...]], path: Path) -> None:
    """Run a script on networks, and keep what it finds by name, as soon as it is found, among what is there."""
    results = read(path)
    for words in names:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "found.json"
            subprocess.run([sys.executable, script, *words, OPTION, str(out)], check=True)
            name, found = "-".join(words), json.loads(out.read_text())
        print(name, json.dumps(found), flush=True)
        results[name] = found
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")


def read(path: Path) -> dict[str, Any]:
    """What is kept already."""
    return json.loads(path.read_text()) if path.exists() else {}
