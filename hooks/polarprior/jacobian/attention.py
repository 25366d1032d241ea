"""Attention, in the order of operations that makes its tangents cheap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from polarprior.jacobian.nodes import Node, aten, value_of

SOFTMAX = {aten._softmax.default, aten._safe_softmax.default}
SHAPES = {
    aten.alias.default,
    aten.clone.default,
    aten.detach.default,
    aten.expand.default,
    aten.permute.default,
    aten._to_copy.default,
    aten.transpose.int,
    aten.unsqueeze.default,
    aten.view.default,
    aten._unsafe_view.default,
    aten.squeeze.dim,
}
"""They move numbers and change none."""


def normalise_last(graph: fx.Graph) -> None:
    """Rewrite softmax(s) v as (e v) / (e 1) with e = exp(s - max s), wherever a forward graph has it.

    Both are the same numbers. But the tangent of a softmax is three more passes over a matrix as large as the number
    of places squared, while that of the quotient is taken where it is small: de is e times ds, and the rest has the
    size of v.
    """
    for node in list(graph.nodes):
        if node.target in SOFTMAX:
            moves, product = _followed(node)
            if product is not None and _contracts(node, moves, product):
                _rewrite(node, moves, product)
    graph.eliminate_dead_code()


def _followed(softmax: Node) -> tuple[list[Node], Node | None]:
    """What moves the numbers of a softmax until a matrix product takes them, and that product; None where something
    else does, or somebody else wants them too."""
    moves: list[Node] = []
    node = softmax
    while len(node.users) == 1:
        last, node = node, next(iter(node.users))
        if node.target is aten.bmm.default:
            return moves, node if (node.args[0] is last) != (node.args[1] is last) else None
        if node.target not in SHAPES or value_of(node).numel() != value_of(softmax).numel():
            break
        moves.append(node)
    return [], None


def _axis(moves: Sequence[Node], softmax: Node, product: Node) -> int:
    """The axis that the product sums over, of the moved numbers."""
    return -1 if product.args[0] is (moves[-1] if moves else softmax) else -2


def _contracts(softmax: Node, moves: Sequence[Node], product: Node) -> bool:
    """Whether the product sums over what the softmax normalises."""
    value, axis = value_of(softmax), _axis(moves, softmax, product)
    rows = torch.arange(value.select(softmax.args[1], 0).numel(), dtype=torch.float64, device="cpu")
    moved = rows.view(value.select(softmax.args[1], 0).shape).unsqueeze(softmax.args[1]).expand(value.shape)
    for each in moves:
        kwargs = {} if each.target is aten._to_copy.default else each.kwargs
        moved = each.target(moved, *each.args[1:], **kwargs)
    return bool((moved == moved.select(axis, 0).unsqueeze(axis)).all())


def _rewrite(softmax: Node, moves: Sequence[Node], product: Node) -> None:
    graph, (scores, dim, *_) = softmax.graph, softmax.args
    axis = _axis(moves, softmax, product)

    def new(target: Any, *args: Any, **kwargs: Any) -> Node:
        with graph.inserting_before(product):
            return graph.call_function(target, args, kwargs)

    largest = new(aten.amax.default, new(aten.detach.default, scores), [dim], True)
    moved = new(aten.exp.default, new(aten.sub.Tensor, scores, largest))
    for each in moves:
        moved = new(each.target, moved, *each.args[1:], **each.kwargs)
    pair = (moved, product.args[1]) if axis == -1 else (product.args[0], moved)
    total = new(aten.sum.dim_IntList, moved, [axis], True)
    product.replace_all_uses_with(new(aten.div.Tensor, new(aten.bmm.default, *pair), total))
