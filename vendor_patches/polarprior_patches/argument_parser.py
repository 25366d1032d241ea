"""The recipe for a script whose command line is one of argparse: an import, and a line before it is read."""

from __future__ import annotations

import libcst as cst
from libcst import matchers as m

from polarprior_patches.lines import ARGUMENTS, NoMatchError
from polarprior_patches.script import marked, parsed, with_import

_READ = m.Call(
    m.Attribute(value=m.SaveMatchedNode(m.Name(), "parser"), attr=m.Name("parse_args") | m.Name("parse_known_args"))
)


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
        lines = [(i, node) for i, node in enumerate(body) if isinstance(node, cst.SimpleStatementLine)]
        reads = [(i, node) for i, node in lines if m.findall(node, _READ)]
        if not reads:
            return updated_node
        where, line = reads[0]
        self.count += 1
        parser = cst.ensure_type(m.extractall(line, _READ)[0]["parser"], cst.Name).value
        own = m.Expr(m.Call(m.Attribute(value=m.Name(parser), attr=m.Name("add_argument"))))
        arguments = [i for i, node in lines if i < where and m.matches(node, m.SimpleStatementLine(body=[own]))]
        ours = marked(ARGUMENTS.format(parser=parser))
        if not arguments:
            ours = ours.with_changes(leading_lines=line.leading_lines)
            body[where] = line.with_changes(leading_lines=[])
        body.insert(arguments[-1] + 1 if arguments else where, ours)
        return updated_node.with_changes(body=body)
