"""The lines that a patch adds: each ends with a mark, and a revert takes the marked lines out again."""

from __future__ import annotations

MARK = "# polarprior patch"
IMPORT = "import polarprior.stock.patched"
OPTIONS = "polarprior.stock.patched.options"
_ADDED = {f"{IMPORT}  {MARK}".encode(), f"@{OPTIONS}  {MARK}".encode()}


def reverted(source: bytes) -> bytes:
    """A script without them: byte for byte what it was, and whatever has been changed elsewhere since."""
    return b"".join(line for line in source.splitlines(keepends=True) if line.strip() not in _ADDED)
