"""The forward pass of a torch function as a graph of torch's basic operations, made ready for its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode

from polarprior.jacobian.attention import normalise_last
from polarprior.jacobian.module_names import ModuleNames, line_of, operation_of
from polarprior.jacobian.nodes import Untraceable, aten

VIEWS = (aten.view.default, aten._unsafe_view.default)


def forward_graph(function: Callable[..., Tensor], point: Tensor, *context: Tensor) -> fx.GraphModule:
    """Trace `function`, its result flattened.

    Its own operations first: what remains is plain, whatever custom autograd functions it was made of. Then what it
    writes in place: tangents can't follow that everywhere.

    Args:
        function: points [1, ...] and context tensors to [1, ...].
        point, context: where it is traced; nothing may depend on their values.
    """
    with ModuleNames() as names:
        try:
            with _WithoutChecks():
                graph = make_fx(lambda z, *rest: function(z.clone(), *rest).flatten(1))(point, *context)
        except Exception as error:
            raise Untraceable(f"{names.failed or 'the model'}, {line_of(error)}: {first_sentence(error)}") from error
        graph = make_fx(functionalize(Running(graph)), DECOMPOSED)(point, *context)
    normalise_last(graph.graph)
    for node in graph.graph.nodes:
        if node.target in VIEWS:  # where a derivative's numbers lie in another order, a view is a copy
            node.target = aten.reshape.default
        if node.target is aten.convolution.default:
            node.args = _in_full(node.args)
    graph.recompile()
    return graph


def _in_full(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """A convolution's arguments with a stride, a padding and so on for each axis."""
    x, weight, *others = arguments
    rank = weight.meta["val"].dim() - 2
    return (x, weight, *(each * rank if isinstance(each, list) and len(each) == 1 else each for each in others))


class Running:
    """Runs a graph, and knows the node that an error came from."""

    def __init__(self, graph: fx.GraphModule):
        self._graph = graph
        self._node: fx.Node | None = None

    def __call__(self, *inputs: Tensor) -> Any:
        """What the graph makes of the inputs. Nodes of a graph that is traced meanwhile have the modules of these."""
        found = _Noting(self._graph, self).run(*inputs)
        self._node = None
        return found

    def reason(self, error: Exception) -> str:
        """The operation that an error came from, and what it said."""
        said = first_sentence(error)
        return f"{operation_of(self._node)}: {said}" if self._node else said

    def at(self, node: fx.Node) -> None:
        """Note that this node comes next."""
        self._node = node


class _Noting(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, running: Running):
        super().__init__(graph)
        self._running = running

    def run_node(self, n: fx.Node) -> Any:
        self._running.at(n)
        return super().run_node(n)


def first_sentence(error: BaseException) -> str:
    """What an error says, without the advice that torch adds."""
    text = " ".join(str(error).split("\n")[0].split()) or type(error).__name__
    if "_local_scalar_dense" in text:
        return "it needs the value of a tensor, so that its path depends on its numbers"
    return text.split(". ")[0].removesuffix(".")


class _WithoutChecks(TorchFunctionMode):
    """Replaces functions that look at numbers only to check them: a graph can't."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.nn.functional.one_hot:
            return _one_hot(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """torch.nn.functional.one_hot of known classes."""
    if num_classes < 0:
        raise ValueError("one_hot finds out how many classes there are: give it num_classes")
    return (tensor.unsqueeze(-1) == torch.arange(num_classes, device=tensor.device)).to(torch.int64)


def _copy(into: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    """aten::copy, which has no derivative, by operations that do."""
    return source.to(into.device, into.dtype).expand(into.shape)


def _group_norm(
    x: Tensor, weight: Tensor | None, bias: Tensor | None, n: int, channels: int, _: int, groups: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """aten::native_group_norm, which wants its numbers in one order, by operations that take them in any."""
    split = x.reshape(n, groups, channels // groups, *x.shape[2:])
    axes = list(range(2, split.dim()))
    mean = split.mean(axes, keepdim=True)
    centred = split - mean
    rstd = (centred * centred).mean(axes, keepdim=True).add(eps).rsqrt()
    per_channel = (1, groups, channels // groups, *[1] * (x.dim() - 2))
    scale = rstd if weight is None else rstd * weight.reshape(per_channel)
    found = centred * scale if bias is None else centred * scale + bias.reshape(per_channel)
    return found.reshape(x.shape), mean.reshape(n, groups), rstd.reshape(n, groups)


DECOMPOSED: dict[torch._ops.OpOverload[..., Any], Callable[..., Any]] = {
    aten.copy.default: _copy,
    aten.native_group_norm.default: _group_norm,
}
