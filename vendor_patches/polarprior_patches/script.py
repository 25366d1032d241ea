"""What the recipes share: reading a script, and the import that comes before all others."""

from __future__ import annotations

import libcst as cst
from libcst import matchers as m

from polarprior_patches.lines import IMPORT, MARK, NoMatchError


def parsed(source: bytes) -> cst.Module:
    """The script; NoMatchError where it is no Python that can be read."""
    try:
        return cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise NoMatchError(f"it is no Python that can be read (line {error.raw_line})") from error
    except (UnicodeError, SyntaxError, LookupError) as error:
        raise NoMatchError(f"its encoding can't be read ({error})") from error


def with_import(module: cst.Module) -> bytes:
    """The script with our import before its own, since with ``--polarity`` it prepares the process for them.

    Raises:
        NoMatchError: it imports nothing.
    """
    body = list(module.body)
    first = next((i for i, node in enumerate(body) if _imports(node)), None)
    if first is None:
        raise NoMatchError("it imports nothing")
    body.insert(first, marked(IMPORT).with_changes(leading_lines=body[first].leading_lines))
    body[first + 1] = body[first + 1].with_changes(leading_lines=[])
    return module.with_changes(body=body).bytes


def marked(statement: str) -> cst.SimpleStatementLine:
    """A statement with the mark behind it."""
    return cst.ensure_type(cst.parse_statement(statement), cst.SimpleStatementLine).with_changes(
        trailing_whitespace=mark()
    )


def mark() -> cst.TrailingWhitespace:
    """The mark, as it stands at the end of a line."""
    return cst.TrailingWhitespace(whitespace=cst.SimpleWhitespace("  "), comment=cst.Comment(MARK))


def _imports(node: cst.CSTNode) -> bool:
    """Whether it is an import that ours may come before: any but those of __future__."""
    future = m.SimpleStatementLine(body=[m.ImportFrom(module=m.Name("__future__"))])
    return m.matches(node, m.SimpleStatementLine(body=[m.Import() | m.ImportFrom()])) and not m.matches(node, future)
