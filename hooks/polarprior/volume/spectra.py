"""Spectra of many latents, as many at once as memory allows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.generator import Latents
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.memory import Halving
from polarprior.volume.calibration import Calibration
from polarprior.volume.estimators import AUTO, TOLERANCE, top_singular_values

CHUNK_NUMBERS = 10_000_000
"""Numbers in the Jacobians that are taken at once, and so memory. Part of what fixes a bank's bytes."""
KEPT_BYTES = 2**30
"""What products may hold on to for the latents that are solved at once: a deep network's slopes are more than its
Jacobian."""
COPIES = 2
"""Bytes of memory that a byte of a Jacobian takes: itself, and what it is made from."""


class Spectra:
    """Latents to the top of their Jacobians' spectra; half as many at once when memory runs out.

    Args:
        jacobian_fn: of the generator, see `polarprior.host.Host.jacobian_fn`.
        tol: error of a log-volume that is accepted, nats.
        calibration: where the estimator needs one.

    Attributes:
        passes: (JVPs, VJPs) that the last latents took each.
        evaluations: of a network, that each of those took.
    """

    def __init__(
        self,
        jacobian_fn: Callable[[Latents], LinearMap],
        tol: float = TOLERANCE,
        calibration: Calibration | None = None,
    ):
        self._jacobian_fn = jacobian_fn
        self._tol = tol
        self._calibration = calibration
        self._halving = Halving()
        self.passes, self.evaluations = (0, 0), 1

    def __call__(self, latents: Latents, k: int, estimator: str) -> Tensor:
        """log sigma of the k largest singular values at n latents: float64 [n, k]."""

        def run(size: int) -> Tensor:
            parts = []
            for i in range(0, len(latents), size):
                jacobians = self._jacobian_fn(latents[i : i + size])
                found = top_singular_values(
                    jacobians, k, estimator=estimator, calibration=self._calibration, tol=self._tol
                )
                parts.append(found.log_sigma)
                self.passes, self.evaluations = found.passes, jacobians.evaluations
            return torch.cat(parts)

        return self._halving(run, len(latents))


def latents_at_once(first: LinearMap, columns: int, memory: int | None) -> int:
    """How many Jacobians are held at once: what fits into `CHUNK_NUMBERS` and `KEPT_BYTES`, and into `memory`.

    Raises:
        UsageError: not even one fits into `memory`.
    """
    widest = max(first.output_dim, first.between)
    numbers = columns * widest
    size = COPIES * numbers * first.value.element_size()
    if memory is not None and memory < size:
        raise UsageError(
            f"memory: got {memory} bytes, expected at least {size}: one Jacobian is {widest} x {columns}",
            f"use memory={size}",
        )
    chunk = max(1, min(4096, CHUNK_NUMBERS // numbers, KEPT_BYTES // max(1, first.kept)))
    return chunk if memory is None else max(1, min(chunk, memory // (size + first.kept)))


def columns_held(estimator: str, k: int, input_dim: int) -> int:
    """Columns of a Jacobian's products that an estimator holds at once."""
    return input_dim if estimator in ("exact", AUTO) else min(2 * k + 18, input_dim)
