"""Rewrites of a traced graph, until all that is left to do for a direction is what only a direction can decide.

A traced Jacobian-vector product computes, for each direction anew, what depends on the latent alone: slopes of
activations, the folding of a batch norm, sums over weights. These rules move that work to where it is done once a
latent, or once a network. All of them are identities of real arithmetic, so that results change by rounding only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import torch
from torch import fx

from polarprior.jacobian.nodes import (
    SAME_NUMBERS,
    Node,
    annotate,
    are_tensors,
    aten,
    depends,
    insert,
    is_tensor,
    product_before,
    same_kind,
    scaled,
    value_of,
)

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
        if node.target is aten._to_copy.default and value_of(node).device == value_of(node.args[0]).device:
            node.kwargs = {name: value for name, value in node.kwargs.items() if name != "device"}
    for node in graph.nodes:
        if is_tensor(node):
            node.meta["val"] = torch.empty(value_of(node).shape, dtype=value_of(node).dtype, device="meta")
    changed = True
    while changed:
        graph.eliminate_dead_code()
        annotate(graph)
        changed = _sweep(graph, RULES)
    _sweep(graph, [_joined_products, _fused_product])
    graph.eliminate_dead_code()
    annotate(graph)


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
    if node.target is not aten.copy.default or value_of(node.args[1]).dtype != value_of(node).dtype:
        return None
    source = node.args[1]
    return (
        source if same_kind(source, node) else insert(node, aten.expand.default, source, list(value_of(node).shape))
    )


def _without_zero(node: Node) -> Node | None:
    """x + 0 and x - 0: x."""
    if node.target not in (aten.add.Tensor, aten.sub.Tensor) or not are_tensors(node.args):
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
        sizes = zip(value_of(x).shape[2:], value_of(gradient).shape[2:], value_of(weight).shape[2:], strict=True)
        extra = [
            size - ((out - 1) * stride[i] - 2 * padding[i] + dilation[i] * (kernel - 1) + 1)
            for i, (size, out, kernel) in enumerate(sizes)
        ]
    return insert(
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
    return insert(
        node, aten.convolution.default, x.args[0], weight, bias, stride, wider, dilation, transposed, *others
    )


def _convolution_of_one_place(node: Node) -> Node | None:
    """A convolution that takes the whole image to one pixel, or one pixel to an image: a matrix product."""
    if node.target is not aten.convolution.default or not depends(node.args[0]):
        return None
    x, weight, bias, _, padding, dilation, transposed, extra, groups = node.args
    one_place = x if transposed else node
    if bias is not None or groups != 1 or any(padding) or any(extra) or {*dilation} != {1} or depends(weight):
        return None
    if any(size != 1 for size in value_of(one_place).shape[2:]):
        return None
    # The channels last, which is how the other convolutions like them.
    rank = len(padding)
    to_last, to_second = [0, *range(2, rank + 2), 1], [0, rank + 1, *range(1, rank + 1)]

    def as_rows(each: Node) -> Node:
        rows = insert(node, aten.permute.default, each, to_last)
        return insert(node, aten.reshape.default, rows, [value_of(each).shape[0], -1])

    matrix = as_rows(weight)
    if not transposed:
        matrix = insert(node, aten.t.default, matrix)
    product = insert(node, aten.mm.default, as_rows(x), matrix)
    shape = value_of(node).shape
    image = insert(node, aten.view.default, product, [shape[0], *shape[2:], shape[1]])
    return insert(node, aten.permute.default, image, to_second)


def _slope(node: Node) -> Node | None:
    """An activation's tangent: a product with its slope."""
    if node.target not in SLOPES or not depends(node.args[0]):
        return None
    x, *others = node.args
    if any(depends(each) for each in others) or not same_kind(x, node):
        return None
    ones = insert(node, aten.ones_like.default, next(each for each in others if is_tensor(each)))
    return insert(node, aten.mul.Tensor, x, insert(node, node.target, ones, *others, **node.kwargs))


def _quotient(node: Node) -> Node | None:
    """-x, x / a: a product as well."""
    if node.target not in (aten.neg.default, aten.div.Tensor) or not depends(node.args[0]):
        return None
    if node.target is aten.neg.default:
        return insert(node, aten.mul.Tensor, node.args[0], -1.0)
    divisor = node.args[1]
    if depends(divisor):
        return None
    inverse = insert(node, aten.reciprocal.default, divisor) if is_tensor(divisor) else 1 / divisor
    return insert(node, aten.mul.Tensor, node.args[0], inverse)


def _merged_scales(node: Node) -> Node | None:
    """(x a) b: x (a b)."""
    outer = scaled(node)
    inner = scaled(outer[0]) if outer else None
    if outer is None or inner is None or len(outer[0].users) > 1:
        return None
    return insert(node, aten.mul.Tensor, inner[0], product_before(node, inner[1], outer[1]))


def _scaled_terms(node: Node) -> Node | None:
    """(x a + y b) c: x (a c) + y (b c)."""
    outer = scaled(node)
    if outer is None or outer[0].target is not aten.add.Tensor or outer[0].kwargs or len(outer[0].users) > 1:
        return None
    total, scale = outer
    terms = [parts for parts in map(scaled, total.args) if parts]
    if len(terms) < 2 or any(len(each.users) > 1 for each in total.args):
        return None
    products = [insert(node, aten.mul.Tensor, x, product_before(node, own, scale)) for x, own in terms]
    return insert(node, aten.add.Tensor, *products)


def _broadcast_factor(node: Node) -> Node | None:
    """expand(x) a: x a, where that broadcasts to the same."""
    if node.target is not aten.mul.Tensor or not are_tensors(node.args):
        return None
    for x, other in (node.args, node.args[::-1]):
        if x.target is aten.expand.default and depends(x):
            source = x.args[0]
            if torch.broadcast_shapes(value_of(source).shape, value_of(other).shape) == value_of(node).shape:
                return insert(node, aten.mul.Tensor, source, other)
    return None


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
)


def _joined_products(node: Node) -> Node | None:
    """a b + c d, matrices: (a c) (b d)', where that is less to write than both products: scores of attention."""
    if node.target is not aten.add.Tensor or node.kwargs or not are_tensors(node.args):
        return None
    if any(each.target is not aten.bmm.default or len(each.users) > 1 or not depends(each) for each in node.args):
        return None
    (a, b), (c, d) = (each.args for each in node.args)
    if sum(value_of(each).numel() for each in (a, b, c, d)) >= value_of(node).numel():
        return None
    rows, columns = insert(node, aten.cat.default, [a, c], 2), insert(node, aten.cat.default, [b, d], 1)
    return insert(node, aten.bmm.default, rows, columns)


def _fused_product(node: Node) -> Node | None:
    """y + x a: one pass over memory in place of two. Last, because the other rules look for products."""
    if node.target is not aten.add.Tensor or node.kwargs or not depends(node) or not are_tensors(node.args):
        return None
    for product, other in (node.args, node.args[::-1]):
        is_product = product.target is aten.mul.Tensor and are_tensors(product.args)
        if is_product and len(product.users) == 1 and same_kind(other, node):
            return insert(node, aten.addcmul.default, other, *product.args)
    return None
