"""Jacobian products by `torch.compile`, where a build asks for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from polarprior.errors import UsageError
from polarprior.jacobian.forward_graph import first_sentence
from polarprior.stages import stage

log = logging.getLogger(__name__)
Block = Callable[[list[Tensor], Tensor], Tensor]
"""Residuals and a block of directions to products."""

_asked: ContextVar[bool] = ContextVar("Jacobian products are compiled", default=False)


@contextmanager
def compiling(asked: bool) -> Iterator[None]:
    """Let Jacobian products be compiled while the body runs, or not."""
    token = _asked.set(asked)
    try:
        yield
    finally:
        _asked.reset(token)


def is_compiling() -> bool:
    """Whether Jacobian products are to be compiled."""
    return _asked.get()


def check_compiles(device: torch.device) -> None:
    """Compile something small; UsageError where `torch.compile` can't, as without a C++ compiler."""
    try:
        with stage("trying torch.compile"):
            torch.compile(lambda x: (2 * x).sin(), fullgraph=True)(torch.ones(64, device=device))
    except Exception as error:  # each backend has its own
        raise UsageError(
            f"compile: torch.compile doesn't work here: {first_sentence(error)}",
            "leave it out, or install a C++ compiler such as g++ (on a GPU also triton)",
        ) from error


class CompiledBlocks:
    """Blocks of directions by compiled graphs: one a shape, compiled when the shape is first met, then kept."""

    def __init__(self) -> None:
        self._graphs: dict[tuple[torch.Size, torch.dtype], Block] = {}

    def __call__(self, plain: Block, residuals: list[Tensor], directions: Tensor) -> Tensor:
        """plain(residuals, directions), compiled; as it is where it can't be compiled or gives other numbers."""
        key = (directions.shape, directions.dtype)
        if key not in self._graphs:
            with stage("compiling Jacobian products"):
                self._graphs[key] = _compiled(plain, residuals, directions)
        return self._graphs[key](residuals, directions)


def _compiled(plain: Block, residuals: list[Tensor], directions: Tensor) -> Block:
    def flat(*inputs: Tensor) -> Tensor:
        *kept, block = inputs
        return plain(list(kept), block)

    expected = plain(residuals, directions)
    try:
        graph = torch.compile(make_fx(flat)(*residuals, directions), fullgraph=True, dynamic=False)
        off = (graph(*residuals, directions) - expected).norm() / expected.norm()
    except Exception as error:
        log.warning("products of the Jacobian can't be compiled, and go on as they are: %s", first_sentence(error))
        return plain
    if not off <= torch.finfo(directions.dtype).eps ** 0.5:
        log.warning("compiled products of the Jacobian differ by %.2g, and go on as they are", float(off))
        return plain
    return lambda residuals, directions: graph(*residuals, directions)
