"""The lines that a patch adds: each ends with a mark, and a revert takes the marked lines out again."""

from __future__ import annotations

MARK = "# polarprior patch"


def is_patched(source: bytes) -> bool:
    """Whether a script holds such lines."""
    return any(_is_marked(line) for line in source.splitlines())


def reverted(source: bytes) -> bytes:
    """A script without them: byte for byte what it was, and whatever has been changed elsewhere since."""
    return b"".join(line for line in source.splitlines(keepends=True) if not _is_marked(line))


def _is_marked(line: bytes) -> bool:
    return line.rstrip().endswith(MARK.encode())
