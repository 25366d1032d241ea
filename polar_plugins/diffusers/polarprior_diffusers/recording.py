"""Watches a pipeline's loop with something that costs nothing in the place of its network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

from polarprior_diffusers.running import Runner, replaced

SHOWN = ("hidden_states", "sample")
"""What networks call the argument that depends on the latents, where it has a name."""


class Call(NamedTuple):
    """A pass through the network.

    Attributes:
        shown: what it is shown, [rows, *shape].
        others: the leaves of all its other arguments.
        nesting: how these are nested.
        gave: what was returned in its place.
    """

    shown: Tensor
    others: list[Any]
    nesting: Any
    gave: Tensor


class Recording(NamedTuple):
    """A run of a pipeline.

    Attributes:
        calls: the passes through the network.
        result: what the pipeline gave; where there is a decoder, and pictures were asked for, what that was given.
    """

    calls: list[Call]
    result: Tensor


class Given(tuple[Tensor]):
    """What networks of diffusers return: a tuple, with the first as ``sample``."""

    @property
    def sample(self) -> Tensor:
        """The first."""
        return self[0]


def record(
    runner: Runner,
    n: int,
    label: Tensor | None,
    gives: Callable[[Tensor], Tensor],
    draws: Callable[[Tensor], Tensor] | None = None,
    **call: Any,
) -> Recording:
    """Run a pipeline for n pictures, and note what its network is shown.

    Args:
        runner: of the pipeline.
        n, label: see `Runner.run`.
        gives: what the network is shown to what is returned in its place; the decoder gives what it is given.
        draws: replaces what the pipeline draws.
        call: more arguments of its ``__call__``.
    """
    calls: list[Call] = []

    def forward(*args: Any, return_dict: bool = True, **kwargs: Any) -> Given:
        named = next((name for name in SHOWN if name in kwargs), None)
        shown, *rest = args if named is None else (kwargs.pop(named), *args)
        leaves, nesting = tree_flatten((tuple(rest), kwargs))
        calls.append(Call(shown, leaves, nesting, gives(shown)))
        return Given((calls[-1].gave,))

    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(replaced(runner.network, forward=forward))
        if runner.vae is not None:
            stack.enter_context(replaced(runner.vae, decode=lambda x, *_, **__: Given((x,))))
        if draws is not None:
            stack.enter_context(_Draws(draws))
        result = runner.run(n, label, **call)
    return Recording(calls, result)


def record_noise(
    runner: Runner, shape: tuple[int, ...], n: int = 1, label: Tensor | None = None, seed: int = 0, **call: Any
) -> tuple[Tensor, Recording]:
    """Latents [n, *shape], and what happened to them where the network gives noise: the same each time for a seed.

    Args:
        runner, n, call: see `record`.
        shape: of the latents.
        label: classes int64 [n]; class 0 where None, and where there are classes.
        seed: of the latents and of what the network gives.
    """
    stream, like = torch.Generator().manual_seed(seed), runner.like

    def noise(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=stream).to(like)

    latents = noise((n, *shape))
    label = runner.first_label(n) if label is None else label
    return latents, record(runner, n, label, lambda shown: noise(shown.shape), latents=latents, **call)


class _Draws(TorchFunctionMode):
    def __init__(self, draws: Callable[[Tensor], Tensor]):
        super().__init__()
        self._draws = draws

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = function(*args, **(kwargs or {}))
        return self._draws(found) if function is torch.randn else found
