"""Rows of cells as aligned text."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first one the heads, as aligned text.

    >>> print(table([("rho", "ESS"), ("-0.1", "129")]))
    rho   ESS
    -0.1  129
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
