"""Rewrites of a traced graph, until all that is left to do for a direction is what only a direction can decide.

A traced Jacobian-vector product computes, for each direction anew, what depends on the latent alone: slopes of
activations, the folding of a batch norm, sums over weights. These rules move that work to where it is done once a
latent, or once a network. All of them are identities of real arithmetic, so that results change by rounding only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor, fx

aten = torch.ops.aten
Node = Any
"""An fx.Node. As such its arguments would be a union of twenty types, which helps nobody."""


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
"""Of their first two arguments; a third, where there is one, is a bias."""

SLOPES = {
    aten.threshold_backward.default,
    aten.leaky_relu_backward.default,
    aten.elu_backward.default,
    aten.hardtanh_backward.default,
    aten.softplus_backward.default,
    aten.gelu_backward.default,
    aten.silu_backward.default,
    aten.sigmoid_backward.default,
    aten.tanh_backward.default,
}
"""Linear in the first argument, number by number: the same as a product with what they make of ones."""


def simplify(graph: fx.Graph) -> None:
    """Apply the rules below until none applies. Placeholders must carry ``meta["stage"]``; then all nodes do."""
    for node in list(graph.nodes):
        if node.target is aten._to_copy.default and _value(node).device == _value(node.args[0]).device:
            node.kwargs = {name: value for name, value in node.kwargs.items() if name != "device"}
    for node in graph.nodes:
        if _is_tensor(node):
            node.meta["val"] = torch.empty(_value(node).shape, dtype=_value(node).dtype, device="meta")
    changed = True
    while changed:
        graph.eliminate_dead_code()
        annotate(graph)
        changed = _sweep(graph, RULES)
    _sweep(graph, [_fused_product])
    graph.eliminate_dead_code()
    annotate(graph)


def annotate(graph: fx.Graph) -> None:
    """Note at each node how often it must be computed, and whether it is known to be zero."""
    for node in graph.nodes:
        if node.op != "placeholder":
            node.meta["stage"] = max((each.meta["stage"] for each in node.all_input_nodes), default=Stage.CONSTANT)
        node.meta["zero"] = _is_zero(node)


def _sweep(graph: fx.Graph, rules: Sequence[Callable[[Node], Node | None]]) -> bool:
    changed = False
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        for rule in rules:
            replacement = rule(node)
            if replacement is not None:
                node.replace_all_uses_with(replacement)
                graph.erase_node(node)
                changed = True
                break
    return changed


# Rules: a node to what replaces it, or None.


def _nothing_done(node: Node) -> Node | None:
    """clone(x), x.view(its own shape), and so on: x."""
    same = node.target in SAME_NUMBERS and "device" not in node.kwargs and same_kind(node.args[0], node)
    return node.args[0] if same else None


def _copied(node: Node) -> Node | None:
    """copy(into, x): x, broadcast."""
    if node.target is not aten.copy.default or _value(node.args[1]).dtype != _value(node).dtype:
        return None
    source = node.args[1]
    return source if same_kind(source, node) else _insert(node, aten.expand.default, source, list(_value(node).shape))


def _without_zero(node: Node) -> Node | None:
    """x + 0 and x - 0: x."""
    if node.target not in (aten.add.Tensor, aten.sub.Tensor) or not _are_tensors(node.args):
        return None
    left, right = node.args
    if right.meta["zero"] and same_kind(left, node):
        return left
    if left.meta["zero"] and node.target is aten.add.Tensor and not node.kwargs and same_kind(right, node):
        return right
    return None


def _adjoint_convolution(node: Node) -> Node | None:
    """convolution_backward asked for its input's gradient alone: the transposed convolution."""
    if node.target is not operator.getitem or node.args[1] != 0:
        return None
    backward = node.args[0]
    if backward.target is not aten.convolution_backward.default or any(backward.args[-1][1:]):
        return None
    gradient, x, weight, _, stride, padding, dilation, transposed, _, groups, _ = backward.args
    extra = [0] * len(stride)
    if not transposed:
        sizes = zip(_value(x).shape[2:], _value(gradient).shape[2:], _value(weight).shape[2:], strict=True)
        extra = [
            size - ((out - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel - 1) + 1)
            for i, (size, out, kernel) in enumerate(sizes)
        ]
    return _insert(
        node,
        aten.convolution.default,
        *(gradient, weight, None, stride, padding, dilation, not transposed, extra, groups),
    )


def _padded_convolution(node: Node) -> Node | None:
    """A convolution of an image with zeros around it: the convolution's own padding."""
    if node.target is not aten.convolution.default or node.args[0].target is not aten.constant_pad_nd.default:
        return None
    x, weight, bias, stride, padding, dilation, transposed, *others = node.args
    _, pad, around = (*x.args, 0)[:3]
    before, after = list(pad[0::2])[::-1], list(pad[1::2])[::-1]
    rank = len(padding)
    if transposed or around != 0 or before != after or len(before) > rank or min(before) < 0:
        return None
    wider = [own + extra for own, extra in zip(padding, [0] * (rank - len(before)) + before, strict=True)]
    return _insert(
        node, aten.convolution.default, x.args[0], weight, bias, stride, wider, dilation, transposed, *others
    )


def _convolution_of_one_place(node: Node) -> Node | None:
    """A convolution that takes the whole image to one pixel, or one pixel to an image: a matrix product."""
    if node.target is not aten.convolution.default or not _depends(node.args[0]):
        return None
    x, weight, bias, _, padding, dilation, transposed, extra, groups = node.args
    one_place = x if transposed else node
    if bias is not None or groups != 1 or any(padding) or any(extra) or {*dilation} != {1} or _depends(weight):
        return None
    if any(size != 1 for size in _value(one_place).shape[2:]):
        return None
    # The channels last, which is how the other convolutions like them.
    rank = len(padding)
    to_last, to_second = [0, *range(2, rank + 2), 1], [0, rank + 1, *range(1, rank + 1)]

    def as_rows(each: Node) -> Node:
        rows = _insert(node, aten.permute.default, each, to_last)
        return _insert(node, aten.reshape.default, rows, [_value(each).shape[0], -1])

    matrix = as_rows(weight)
    if not transposed:
        matrix = _insert(node, aten.t.default, matrix)
    product = _insert(node, aten.mm.default, as_rows(x), matrix)
    shape = _value(node).shape
    image = _insert(node, aten.view.default, product, [shape[0], *shape[2:], shape[1]])
    return _insert(node, aten.permute.default, image, to_second)


def _slope(node: Node) -> Node | None:
    """An activation's tangent: a product with its slope."""
    if node.target not in SLOPES or not _depends(node.args[0]):
        return None
    x, *others = node.args
    if any(_depends(each) for each in others) or not same_kind(x, node):
        return None
    ones = _insert(node, aten.ones_like.default, next(each for each in others if _is_tensor(each)))
    return _insert(node, aten.mul.Tensor, x, _insert(node, node.target, ones, *others, **node.kwargs))


def _quotient(node: Node) -> Node | None:
    """-x, x / a: a product as well."""
    if node.target not in (aten.neg.default, aten.div.Tensor) or not _depends(node.args[0]):
        return None
    if node.target is aten.neg.default:
        return _insert(node, aten.mul.Tensor, node.args[0], -1.0)
    divisor = node.args[1]
    if _depends(divisor):
        return None
    inverse = _insert(node, aten.reciprocal.default, divisor) if _is_tensor(divisor) else 1 / divisor
    return _insert(node, aten.mul.Tensor, node.args[0], inverse)


def _merged_scales(node: Node) -> Node | None:
    """(x a) b: x (a b)."""
    outer = _scaled(node)
    inner = _scaled(outer[0]) if outer else None
    if outer is None or inner is None or len(outer[0].users) > 1:
        return None
    return _insert(node, aten.mul.Tensor, inner[0], _product(node, inner[1], outer[1]))


def _scaled_terms(node: Node) -> Node | None:
    """(x a + y b) c: x (a c) + y (b c)."""
    outer = _scaled(node)
    if outer is None or outer[0].target is not aten.add.Tensor or outer[0].kwargs or len(outer[0].users) > 1:
        return None
    total, scale = outer
    terms = [parts for parts in map(_scaled, total.args) if parts]
    if len(terms) < 2 or any(len(each.users) > 1 for each in total.args):
        return None
    scaled = [_insert(node, aten.mul.Tensor, x, _product(node, own, scale)) for x, own in terms]
    return _insert(node, aten.add.Tensor, *scaled)


def _broadcast_factor(node: Node) -> Node | None:
    """expand(x) a: x a, where that broadcasts to the same."""
    if node.target is not aten.mul.Tensor or not _are_tensors(node.args):
        return None
    for x, other in (node.args, node.args[::-1]):
        if x.target is aten.expand.default and _depends(x):
            source = x.args[0]
            if torch.broadcast_shapes(_value(source).shape, _value(other).shape) == _value(node).shape:
                return _insert(node, aten.mul.Tensor, source, other)
    return None


def _early_sum(node: Node) -> Node | None:
    """sum(x a) over axes along which x does not vary: a is summed over those first."""
    if node.target is not aten.sum.dim_IntList or len(node.args[0].users) > 1:
        return None
    parts = _scaled(node.args[0])
    if not parts or not _is_node(parts[1]):
        return None
    x, scale = parts
    axes, rank = node.args[1], _value(node.args[0]).dim()
    if not _value(x).dim() == _value(scale).dim() == rank:
        return None
    early = [each for each in axes if _value(x).shape[each] == 1 and _value(scale).shape[each] > 1]
    if not early:
        return None
    summed = _insert(node, aten.sum.dim_IntList, scale, early, True)
    return _insert(node, node.target, _insert(node, aten.mul.Tensor, x, summed), *node.args[1:])


RULES = (
    _nothing_done,
    _copied,
    _without_zero,
    _adjoint_convolution,
    _padded_convolution,
    _convolution_of_one_place,
    _slope,
    _quotient,
    _merged_scales,
    _scaled_terms,
    _broadcast_factor,
    _early_sum,
)


def _fused_product(node: Node) -> Node | None:
    """y + x a: one pass over memory in place of two. Last, because the other rules look for products."""
    if node.target is not aten.add.Tensor or node.kwargs or not _depends(node) or not _are_tensors(node.args):
        return None
    for product, other in (node.args, node.args[::-1]):
        is_product = product.target is aten.mul.Tensor and _are_tensors(product.args)
        if is_product and len(product.users) == 1 and same_kind(other, node):
            return _insert(node, aten.addcmul.default, other, *product.args)
    return None


# What the rules ask and do.


def _value(node: Any) -> Tensor:
    """A tensor on torch's meta device: the shape and dtype of what is computed there."""
    return node.meta["val"]


def _is_node(each: Any) -> bool:
    return isinstance(each, fx.Node)


def _is_tensor(node: Any) -> bool:
    return _is_node(node) and isinstance(node.meta.get("val"), Tensor)


def _are_tensors(nodes: Sequence[Any]) -> bool:
    return len(nodes) == 2 and all(_is_tensor(each) for each in nodes)


def same_kind(one: Any, other: Node) -> bool:
    """Whether both are tensors of one shape and dtype."""
    if not (_is_tensor(one) and _is_tensor(other)):
        return False
    a, b = _value(one), _value(other)
    return (a.shape, a.dtype) == (b.shape, b.dtype)


def _depends(node: Any) -> bool:
    return _is_node(node) and node.meta["stage"] == Stage.DIRECTION


def _scaled(node: Any) -> tuple[Node, Node | float] | None:
    """(x, a) where `node` is a product of x, which depends on the direction, and a, which doesn't."""
    if not _is_tensor(node) or node.target is not aten.mul.Tensor:
        return None
    for x, scale in (node.args, node.args[::-1]):
        if _is_tensor(x) and _depends(x) and not _depends(scale):
            return x, scale
    return None


def _product(before: Node, one: Node | float, other: Node | float) -> Node | float:
    if _is_node(one):
        return _insert(before, aten.mul.Tensor, one, other)
    return _insert(before, aten.mul.Tensor, other, one) if _is_node(other) else one * other


def _insert(before: Node, target: Any, *args: Any, **kwargs: Any) -> Node:
    with before.graph.inserting_before(before):
        node = before.graph.call_function(target, args, kwargs)
    node.meta["val"] = target(*fx.node.map_arg(args, _value), **fx.node.map_arg(kwargs, _value))
    node.meta["stage"] = max(each.meta["stage"] for each in node.all_input_nodes)
    node.meta["zero"] = False
    return node


def _is_zero(node: Node) -> bool:
    if node.op != "call_function" or not _is_tensor(node):
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
