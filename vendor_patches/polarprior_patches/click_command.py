"""The recipe for a script whose command line is one click command: an import, and a decorator below its options."""

from __future__ import annotations

import libcst as cst
from libcst import matchers as m

from polarprior_patches.lines import IMPORT, MARK, OPTIONS


class NoMatchError(Exception):
    """The script doesn't look as the recipe expects; the message says where."""


def patch_click_command(source: bytes) -> bytes:
    """`source` with ``--polarity`` and its like among the options of the command that runs under ``__main__``.

    The import comes before all others, since with ``--polarity`` it prepares the process for them.

    Raises:
        NoMatchError: no Python, no such command, or nothing to put the import before.
    """
    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        raise NoMatchError(f"it is no Python that can be read (line {error.raw_line})") from error
    except (UnicodeError, SyntaxError, LookupError) as error:
        raise NoMatchError(f"its encoding can't be read ({error})") from error
    name = _called_under_main(module)
    body = list(module.body)
    where = next((i for i, node in enumerate(body) if m.matches(node, m.FunctionDef(name=m.Name(name)))), None)
    function = body[where] if where is not None else None
    if not isinstance(function, cst.FunctionDef):
        raise NoMatchError(f"{name}, which it calls at its end, is no function of its own")
    body[where] = function.with_changes(decorators=_decorated(function))
    first = next((i for i, node in enumerate(body) if _imports(node)), None)
    if first is None:
        raise NoMatchError("it imports nothing")
    body.insert(first, _import().with_changes(leading_lines=body[first].leading_lines))
    body[first + 1] = body[first + 1].with_changes(leading_lines=[])
    patched = module.with_changes(body=body)
    return patched.bytes


def _called_under_main(module: cst.Module) -> str:
    """The function that is called without arguments under ``if __name__ == "__main__"``."""
    under_main = m.If(test=m.Comparison(left=m.Name("__name__")))
    call = m.SimpleStatementLine(body=[m.Expr(m.Call(func=m.Name(), args=[]))])
    blocks = [node for node in module.body if m.matches(node, under_main)]
    calls = [node for block in blocks for node in block.body.body if m.matches(node, call)]
    if len(calls) != 1:
        raise NoMatchError(f"{len(calls)} functions are called under __main__, expected one")
    return str(calls[0].body[0].value.func.value)


def _decorated(function: cst.FunctionDef) -> list[cst.Decorator]:
    """Its decorators, with ours below the last option of click's."""
    decorators = list(function.decorators)
    option = m.Decorator(m.Call(m.Attribute(m.Name("click"), m.Name("option"))))
    options = [i for i, each in enumerate(decorators) if m.matches(each, option)]
    if not options:
        raise NoMatchError(f"{function.name.value} has no click options")
    ours = cst.Decorator(cst.parse_expression(OPTIONS), trailing_whitespace=_marked())
    decorators.insert(options[-1] + 1, ours)
    return decorators


def _imports(node: cst.CSTNode) -> bool:
    """Whether it is an import that ours may come before: any but those of __future__."""
    future = m.SimpleStatementLine(body=[m.ImportFrom(module=m.Name("__future__"))])
    return m.matches(node, m.SimpleStatementLine(body=[m.Import() | m.ImportFrom()])) and not m.matches(node, future)


def _import() -> cst.SimpleStatementLine:
    statement = cst.parse_statement(IMPORT)
    return statement.with_changes(trailing_whitespace=_marked())


def _marked() -> cst.TrailingWhitespace:
    return cst.TrailingWhitespace(whitespace=cst.SimpleWhitespace("  "), comment=cst.Comment(MARK))
