"""The lines that a patch adds: each ends with a mark, and a revert takes the marked lines out again."""

from __future__ import annotations

import re

MARK = "# polarprior patch"
IMPORT = "import polarprior.stock.patched"
OPTIONS = "polarprior.stock.patched.options"
ARGUMENTS = "polarprior.stock.patched.arguments({parser})"
_ADDED = re.compile(rf"\s*(import |@)?polarprior\.stock\.patched(\.\w+(\(\w+\))?)?  {MARK}\s*".encode())


class NoMatchError(Exception):
    """The script doesn't look as the recipe expects; the message says where."""


def reverted(source: bytes) -> bytes:
    """A script without them: byte for byte what it was, and whatever has been changed elsewhere since."""
    return b"".join(line for line in source.splitlines(keepends=True) if not _ADDED.fullmatch(line))
