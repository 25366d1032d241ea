"""Tables of docs pages, written from runs that a benchmark has kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from polarprior_benchmarks.kept_runs import interval

Kept = dict[str, Any]
Rows = Iterator[tuple[str, ...]]


def write_tables(page: Path, kept: Path, tables: Mapping[str, Callable[[Kept], Rows]]) -> None:
    """Fill a page's tables from the runs of one file.

    Args:
        page: its file.
        kept: the JSON file of the runs.
        tables: by name, what makes the rows of each from the runs, its head first.
    """
    runs = json.loads(kept.read_text()) if kept.exists() else {}
    fill_tables(page, {name: make(runs) for name, make in tables.items()})


def fill_tables(page: Path, tables: Mapping[str, Rows]) -> None:
    """Each table stands between a comment with its name and one that says end; the text around is the page's own.

    Args:
        page: its file.
        tables: by name, the rows of each, its head first.
    """
    text = page.read_text()
    for name, lines_of in tables.items():
        head, *rows = lines_of
        lines = [head, ("---",) * len(head), *rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        between = "\n" + table.replace("\\", r"\\") + "\n"
        text, found = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{between}\g<2>", text, flags=re.S)
        assert found == 1, name
    page.write_text(text)


def told(values: list[float], digits: str = ".3g") -> str:
    """A mean, with half of its 95% interval where there are several values."""
    mean, half = interval(values)
    return f"{mean:{digits}}" if len(values) < 2 else f"{mean:{digits}} ± {half:.2g}"
