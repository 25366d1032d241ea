"""The recipe for a script whose command line is one click command: an import, and a decorator below its options."""

from __future__ import annotations

import libcst as cst
from libcst import matchers as m

from polarprior_patches.lines import OPTIONS, NoMatchError
from polarprior_patches.script import mark, parsed, with_import


def patch_click_command(source: bytes) -> bytes:
    """`source` with ``--polarity`` and its like among the options of the command that runs under ``__main__``.

    Raises:
        NoMatchError: no Python, no such command, or nothing to put the import before.
    """
    module = parsed(source)
    name = _called_under_main(module)
    body = list(module.body)
    functions = [(i, node) for i, node in enumerate(body) if isinstance(node, cst.FunctionDef)]
    named = [(i, node) for i, node in functions if node.name.value == name]
    if not named:
        raise NoMatchError(f"{name}, which it calls at its end, is no function of its own")
    where, function = named[0]
    body[where] = function.with_changes(decorators=_decorated(function))
    return with_import(module.with_changes(body=body))


def _called_under_main(module: cst.Module) -> str:
    """The function that is called without arguments under ``if __name__ == "__main__"``."""
    under_main = m.If(test=m.Comparison(left=m.Name("__name__")))
    function = m.SaveMatchedNode(m.Name(), "function")
    call = m.SimpleStatementLine(body=[m.Expr(m.Call(func=function, args=[]))])
    blocks = [node.body for node in module.body if isinstance(node, cst.If) and m.matches(node, under_main)]
    calls = [found for block in blocks for node in block.body if (found := m.extract(node, call)) is not None]
    if len(calls) != 1:
        raise NoMatchError(f"{len(calls)} functions are called under __main__, expected one")
    return cst.ensure_type(calls[0]["function"], cst.Name).value


def _decorated(function: cst.FunctionDef) -> list[cst.Decorator]:
    """Its decorators, with ours below the last option of click's."""
    decorators = list(function.decorators)
    option = m.Decorator(m.Call(m.Attribute(m.Name("click"), m.Name("option"))))
    options = [i for i, each in enumerate(decorators) if m.matches(each, option)]
    if not options:
        raise NoMatchError(f"{function.name.value} has no click options")
    ours = cst.Decorator(cst.parse_expression(OPTIONS), trailing_whitespace=mark())
    decorators.insert(options[-1] + 1, ours)
    return decorators
