"""How many directions go through a network at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from polarprior.errors import PolarPriorError

CPU_BYTES, GPU_BYTES = 32 * 2**20, 2**30
"""Without a limit: on a CPU what its caches hold, more is slower there (`benchmarks/log_volume.py`)."""

_limit: ContextVar[int | None] = ContextVar("memory limit", default=None)


@contextmanager
def memory_limit(size: int | None) -> Iterator[None]:
    """Let Jacobian products take `size` bytes of working memory at most; None for the default."""
    token = _limit.set(size)
    try:
        yield
    finally:
        _limit.reset(token)


def rows_at_once(row_bytes: int, device: torch.device) -> int:
    """Directions that fit, where each takes `row_bytes`; at least one."""
    default = CPU_BYTES if device.type == "cpu" else GPU_BYTES
    return max(1, min(default, _limit.get() or default) // row_bytes)


class Halving:
    """Runs things of a size: half as much once memory runs out, and no more than that from then on."""

    def __init__(self) -> None:
        self._most: int | None = None

    def __call__(self, run: Callable[[int], Tensor], size: int) -> Tensor:
        """run(size), or where memory runs out run(size / 2), and so on.

        Raises:
            PolarPriorError: not even run(1) fits.
        """
        size = min(size, self._most or size)
        while True:
            try:
                return run(size)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if size == 1:
                    raise PolarPriorError(
                        "out of memory with a single direction of a single latent", "use a machine or GPU with more"
                    ) from error
                size = self._most = (size + 1) // 2


def is_out_of_memory(error: BaseException) -> bool:
    """Whether that, or what caused it, is torch's error on a GPU or its message on a CPU."""
    if error.__cause__ is not None:
        return is_out_of_memory(error.__cause__)
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
