"""Text out of files that others made: it has a type from where it is read, and one escape where it is shown."""

from __future__ import annotations

import html
import json
from typing import Any

MOST = 4096


class Foreign(str):
    """A line of text that a file of somebody else's holds: printable, at most `MOST` characters.

    Nobody has vouched for it: it selects neither code nor a file, see `polarprior.user_functions.named_by_the_user`.

    Raises:
        ValueError: it is no text, or none that can be printed, or too long.
    """

    __slots__ = ()

    def __new__(cls, text: object) -> Foreign:
        if not isinstance(text, str):
            raise ValueError(f"{type(text).__name__} in place of text")
        if len(text) > MOST or not text.isprintable():
            raise ValueError(f"text that can't be printed, or of more than {MOST} characters: {text[:40]!a}")
        return super().__new__(cls, text)

    def __str__(self) -> Foreign:
        return self

    def __deepcopy__(self, _: object) -> Foreign:
        return self


def foreign_json(text: str | bytes) -> Any:
    """Untrusted JSON; all its texts, names of fields among them, are `Foreign`.

    Raises:
        ValueError: it isn't JSON, is nested too deeply, names a field twice, or holds what `Foreign` refuses.
    """
    try:
        return _typed(json.loads(text, object_pairs_hook=without_doubles))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError where it names a field twice, of which readers may take either."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a field is there twice")
    return dict(pairs)


def _typed(value: Any) -> Any:
    if isinstance(value, str):
        return Foreign(value)
    if isinstance(value, dict):
        return {Foreign(name): _typed(each) for name, each in value.items()}
    return [_typed(each) for each in value] if isinstance(value, list) else value


def shown(text: str, lines: bool = False) -> str:
    r"""`text` as it can be printed: what else is in it, such as the codes that move a terminal's cursor or turn the
    direction of writing, as Python would write it.

    Args:
        text: anything.
        lines: ends of lines and tabs stay as they are.

    >>> shown("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    if text.isprintable():
        return str(text)
    kept = "\n\t" if lines else ""
    return "".join(each if each.isprintable() or each in kept else ascii(each)[1:-1] for each in text)


def in_html(text: str) -> str:
    """`text` for a page of HTML or Markdown, in a cell of a table as well: nothing in it is markup.

    >>> in_html("<b>a|b</b>")
    '&lt;b&gt;a&#124;b&lt;/b&gt;'
    """
    return html.escape(shown(text)).replace("|", "&#124;")
