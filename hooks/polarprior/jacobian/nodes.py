"""The nodes of a traced graph: what is known of each, and how a new one is made."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor, fx

aten = torch.ops.aten
Node = Any
"""An fx.Node. As such its arguments would be a union of twenty types, which helps nobody."""


class Untraceable(RuntimeError):
    """A function is no graph of its inputs alone."""


class Stage(IntEnum):
    """How often a node must be computed: once a network, once a latent, once a direction."""

    CONSTANT = 0
    POINT = 1
    DIRECTION = 2


SAME_NUMBERS = {
    aten.clone.default,
    aten._to_copy.default,
    aten.expand.default,
    aten.detach.default,
    aten.alias.default,
    aten.view.default,
    aten._unsafe_view.default,
    aten.lift_fresh_copy.default,
    aten.slice.Tensor,
}
"""Where input and output agree in shape, dtype and device, these do nothing."""

ZEROS = {
    aten.zeros.default,
    aten.zeros_like.default,
    aten.new_zeros.default,
    aten._new_zeros_with_same_feature_meta.default,
    aten._efficientzerotensor.default,
}
ZERO_WHERE_INPUT_IS = SAME_NUMBERS | {
    aten.unsqueeze.default,
    aten.squeeze.dim,
    aten.permute.default,
    aten.transpose.int,
    aten.sum.dim_IntList,
    aten.neg.default,
    aten.div.Tensor,
}
BILINEAR = {aten.mul.Tensor, aten.mm.default, aten.bmm.default, aten.convolution.default}
"""Their first two arguments; a third, where there is one, is a bias."""


def annotate(graph: fx.Graph) -> None:
    """Note at each node how often it must be computed, and whether it is known to be zero."""
    for node in graph.nodes:
        if node.op != "placeholder":
            node.meta["stage"] = max((each.meta["stage"] for each in node.all_input_nodes), default=Stage.CONSTANT)
        node.meta["zero"] = _is_zero(node)


def value_of(node: Any) -> Tensor:
    """A tensor on torch's meta device: the shape and dtype of what is computed there."""
    return node.meta["val"]


def _is_node(each: Any) -> bool:
    return isinstance(each, fx.Node)


def is_tensor(node: Any) -> bool:
    """Whether a tensor is computed there."""
    return _is_node(node) and isinstance(node.meta.get("val"), Tensor)


def are_tensors(nodes: Sequence[Any]) -> bool:
    """Whether these are two tensors."""
    return len(nodes) == 2 and all(is_tensor(each) for each in nodes)


def same_kind(one: Any, other: Node) -> bool:
    """Whether both are tensors of one shape and dtype."""
    if not (is_tensor(one) and is_tensor(other)):
        return False
    a, b = value_of(one), value_of(other)
    return (a.shape, a.dtype) == (b.shape, b.dtype)


def depends(node: Any) -> bool:
    """Whether it is another one for each direction."""
    return _is_node(node) and node.meta["stage"] == Stage.DIRECTION


def scaled(node: Any) -> tuple[Node, Node | float] | None:
    """(x, a) where `node` is a product of x, which depends on the direction, and a, which doesn't."""
    if not is_tensor(node) or node.target is not aten.mul.Tensor:
        return None
    for x, scale in (node.args, node.args[::-1]):
        if is_tensor(x) and depends(x) and not depends(scale):
            return x, scale
    return None


def product_before(before: Node, one: Node | float, other: Node | float) -> Node | float:
    """The product of nodes or numbers, a new node if one of them is a node."""
    if _is_node(one):
        return insert(before, aten.mul.Tensor, one, other)
    return insert(before, aten.mul.Tensor, other, one) if _is_node(other) else one * other


def insert(before: Node, target: Any, *args: Any, **kwargs: Any) -> Node:
    """A new node target(*args, **kwargs), ahead of `before`."""
    with before.graph.inserting_before(before):
        node = before.graph.call_function(target, args, kwargs)
    node.meta["val"] = target(*fx.node.map_arg(args, value_of), **fx.node.map_arg(kwargs, value_of))
    node.meta["stage"] = max(each.meta["stage"] for each in node.all_input_nodes)
    node.meta["zero"] = False
    return node


def _is_zero(node: Node) -> bool:
    if node.op != "call_function" or not is_tensor(node):
        return False
    if node.target in ZEROS:
        return True
    inputs = [_is_node(each) and each.meta["zero"] for each in node.args]
    if node.target in ZERO_WHERE_INPUT_IS:
        return inputs[0]
    if node.target is aten.copy.default:
        return inputs[1]
    if node.target in BILINEAR:
        return any(inputs[:2]) and (len(inputs) < 3 or node.args[2] is None or inputs[2])
    return node.target in (aten.add.Tensor, aten.sub.Tensor) and all(inputs[:2])
