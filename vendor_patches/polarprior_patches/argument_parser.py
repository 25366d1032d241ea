"""The recipe for a script whose command line is one of argparse: an import, and a line before it is read."""

from __future__ import annotations

import libcst as cst
from libcst import matchers as m

from polarprior_patches.lines import ARGUMENTS
from polarprior_patches.script import NoMatchError, marked, parsed, with_import

_READ = m.Call(m.Attribute(value=m.Name(), attr=m.Name("parse_args") | m.Name("parse_known_args")))


def patch_argument_parser(source: bytes) -> bytes:
    """`source` with ``--polarity`` and its like among the arguments of its parser, below the last of its own.

    Raises:
        NoMatchError: no Python, no or several places that read a command line, or nothing to put the import before.
    """
    module = parsed(source)
    adding = _Adding()
    patched = module.visit(adding)
    if adding.count != 1:
        raise NoMatchError(f"{adding.count} places read its command line, expected one")
    return with_import(patched)


class _Adding(m.MatcherDecoratableTransformer):
    """Adds a line to each block that reads the command line."""

    count = 0

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        """Look at one block: of a function, or under ``__main__``."""
        body = list(updated_node.body)
        lines = [i for i, node in enumerate(body) if isinstance(node, cst.SimpleStatementLine)]
        where = next((i for i in lines if m.findall(body[i], _READ)), None)
        if where is None:
            return updated_node
        self.count += 1
        parser = cst.ensure_type(m.findall(body[where], _READ)[0], cst.Call).func.value.value
        own = m.Expr(m.Call(m.Attribute(value=m.Name(parser), attr=m.Name("add_argument"))))
        arguments = [i for i in lines if i < where and m.matches(body[i], m.SimpleStatementLine(body=[own]))]
        ours = marked(ARGUMENTS.format(parser=parser))
        if not arguments:
            ours = ours.with_changes(leading_lines=body[where].leading_lines)
            body[where] = body[where].with_changes(leading_lines=[])
        body.insert(arguments[-1] + 1 if arguments else where, ours)
        return updated_node.with_changes(body=body)
