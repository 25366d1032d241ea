"""A traced Jacobian product: what is computed once a network, once a latent, and once a direction."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

import torch
from torch import Tensor, fx

from polarprior.jacobian.compiled import CompiledBlocks
from polarprior.jacobian.memory import Halving
from polarprior.jacobian.module_names import operation_of
from polarprior.jacobian.nodes import Node, Stage, Untraceable, aten, same_kind
from polarprior.jacobian.rewriting import simplify
from polarprior.jacobian.sub_pixel import sub_pixel_arguments, sub_pixel_convolution, sub_pixel_weight

FRESH = {
    sub_pixel_convolution,
    aten.mul.Tensor,
    aten.mul_.Tensor,
    aten.addcmul.default,
    aten.convolution.default,
    aten.mm.default,
    aten.bmm.default,
}
"""Their result is new memory."""
RESHAPES = {aten.reshape.default, aten.unsqueeze.default}


class LinearProgram:
    """A graph that is linear in its last input, for one latent and one direction at a time.

    Args:
        graph_module: from `make_fx`; its inputs are the tensors of a point, then the direction, its outputs any
            number of values at the point, then the product. Each has a leading axis of length one.

    Attributes:
        row_bytes: the most memory that one direction takes at any moment.
        halving: what remembers how many directions were too many for memory.
        compiled: what keeps its compiled graphs.

    Raises:
        Untraceable: it draws random numbers, or writes into a tensor.
    """

    def __init__(self, graph_module: fx.GraphModule):
        graph = graph_module.graph
        *self._point, self._direction = (node for node in graph.nodes if node.op == "placeholder")
        for node in self._point:
            node.meta["stage"] = Stage.POINT
        self._direction.meta["stage"] = Stage.DIRECTION
        _make_pure(graph)
        simplify(graph)

        steps: dict[Stage, list[Node]] = {stage: [] for stage in Stage}
        for node in graph.nodes:
            if node.op in ("get_attr", "call_function"):
                steps[node.meta["stage"]].append(node)
        *self._values, self._result = next(iter(reversed(graph.nodes))).args[0]
        # A view of channels-last numbers, or of a tensor whose copy was left out, may need a copy.
        for node in graph.nodes:
            if node.target in (aten.view.default, aten._unsafe_view.default):
                node.target = aten.reshape.default

        self._constants: dict[Node, Any] = {}
        _run(steps[Stage.CONSTANT], self._constants, graph_module)
        used = {each for node in (*steps[Stage.POINT], *steps[Stage.DIRECTION]) for each in node.all_input_nodes}
        used |= {*self._values, self._result}
        self._constants = {node: value for node, value in self._constants.items() if node in used}
        self._at_point, self._at_direction = steps[Stage.POINT], steps[Stage.DIRECTION]
        needed = {each for node in self._at_direction for each in node.all_input_nodes} | {self._result}
        self._residuals = [node for node in (*self._point, *self._at_point) if node in needed]
        constants = {node: self._constants[node] for node in needed if node in self._constants}
        self._direction_constants = {node: channels_last(value) for node, value in constants.items()}
        self._last_uses = _last_uses(self._at_direction, keep={*constants, *self._residuals, self._result})
        self.halving, self.compiled = Halving(), CompiledBlocks()
        self.row_bytes = _peak_bytes(self._direction, self._at_direction, self._last_uses)

    def to(self, dtype: torch.dtype) -> LinearProgram:
        """The same program for directions and residuals of another dtype."""
        other = copy(self)
        constants = self._direction_constants.items()
        other._direction_constants = {node: to_dtype(value, dtype) for node, value in constants}
        return other

    def finish(self) -> None:
        """Let products overwrite what nobody needs after them, and convolve to few channels the faster way.

        It can be run then, but its transpose is better taken before.
        """
        for node in self._at_direction:
            found = sub_pixel_arguments(node)
            if found is not None:
                x, weight, *_ = node.args
                if weight in self._direction_constants and len(weight.users) == 1:
                    changed = sub_pixel_weight(self._direction_constants[weight], **found)
                    self._direction_constants[weight] = channels_last(changed)
                    node.target, node.args = sub_pixel_convolution, (x, weight, found["stride"])
            if node.target is aten.mul.Tensor:
                x = node.args[0]
                if _is_new(x) and x in self._last_uses[node] and same_kind(x, node):
                    node.target = aten.mul_.Tensor

    def at(self, *point: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The values at a point, and the residuals: what all directions there share."""
        values = dict(self._constants)
        values.update(zip(self._point, point, strict=True))
        _run(self._at_point, values)
        return [values[node] for node in self._values], [values[node] for node in self._residuals]

    def __call__(self, residuals: Iterable[Tensor], direction: Tensor) -> Tensor:
        """The product with one direction."""
        values = dict(self._direction_constants)
        values.update(zip(self._residuals, residuals, strict=True))
        values[self._direction] = direction
        _run(self._at_direction, values, last_uses=self._last_uses)
        return values[self._result]


def to_dtype(value: Any, dtype: torch.dtype) -> Any:
    """A tensor of real numbers in another dtype; anything else as it is."""
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def channels_last(value: Any) -> Any:
    """Images [..., C, H, W] with the channels' numbers side by side, on a CPU, where convolutions like that."""
    if isinstance(value, Tensor) and value.dim() >= 4 and value.device.type == "cpu":
        return value.movedim(-3, -1).contiguous().movedim(-1, -3)
    return value


def _run(
    nodes: list[Node],
    values: dict[Node, Any],
    module: torch.nn.Module | None = None,
    last_uses: dict[Node, list[Node]] | None = None,
) -> None:
    """Compute `nodes` into `values`; a value goes after its last use."""
    for node in nodes:
        if node.op == "get_attr":
            value: Any = module
            for name in str(node.target).split("."):
                value = getattr(value, name)
            values[node] = value.detach() if isinstance(value, Tensor) else value
        else:
            args = fx.node.map_arg(node.args, values.__getitem__)
            kwargs = fx.node.map_arg(node.kwargs, values.__getitem__)
            values[node] = node.target(*args, **kwargs)
        for each in (last_uses or {}).get(node, ()):
            del values[each]


def _last_uses(nodes: list[Node], keep: set[Node]) -> dict[Node, list[Node]]:
    """Which values nobody needs after each node."""
    seen = set(keep)
    ends: dict[Node, list[Node]] = {}
    for node in reversed(nodes):
        ends[node] = [each for each in node.all_input_nodes if each not in seen]
        seen.update(ends[node])
        if node not in seen:
            ends[node].append(node)
    return ends


def _peak_bytes(direction: Node, nodes: list[Node], last_uses: dict[Node, list[Node]]) -> int:
    live = peak = _bytes(direction)
    for node in nodes:
        live += _bytes(node)
        peak = max(peak, live)
        live -= sum(_bytes(each) for each in last_uses[node])
    return max(peak, 1)


def _bytes(node: Node) -> int:
    value = node.meta.get("val")
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 0


def _make_pure(graph: fx.Graph) -> None:
    """Write nowhere: in-place steps on a fresh tensor that nobody else sees become plain ones, others are refused."""
    for node in graph.nodes:
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        if torch.Tag.nondeterministic_seeded in node.target.tags:
            raise Untraceable(f"{operation_of(node)} draws random numbers")
        if node.target._schema.is_mutable:
            name, overload = node.target._schema.name.removeprefix("aten::"), node.target._overloadname
            plain = getattr(getattr(aten, name.removesuffix("_"), None), overload, None)
            if not name.endswith("_") or plain is None or not _is_fresh(node.args[0]):
                raise Untraceable(f"{operation_of(node)} writes into a tensor")
            node.target = plain


def _is_new(node: Node) -> bool:
    """Whether a value is new memory, or such memory in a shape that it is used in alone."""
    if node.target in RESHAPES and len(node.args[0].users) == 1:
        return _is_new(node.args[0])
    return node.target in FRESH


def _is_fresh(node: Node) -> bool:
    """A tensor of its own, with one user."""
    if node.op != "call_function" or len(node.users) != 1:
        return False
    return all(returned.alias_info is None for returned in node.target._schema.returns)
