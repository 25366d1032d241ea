"""What the metrics take: features [n, D], and their distances in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from polarprior.errors import UsageError

CHUNK_BYTES = 32 << 20
"""The size of a block of distances: memory of that size is still used again."""


def check_features(real: Tensor, generated: Tensor, at_least: int = 2) -> None:
    """Raise UsageError unless both are finite floats [n, D] of the same D, n `at_least` or more."""
    for name, features in (("real", real), ("generated", generated)):
        if features.ndim != 2 or not features.is_floating_point():
            raise UsageError(
                f"{name}: got {features.dtype} {list(features.shape)}, expected floats [n, D]",
                "give features: phi(images), with phi = pp.feature_map(generator, space)",
            )
        if len(features) < at_least:
            raise UsageError(f"{name}: got {len(features)} rows, expected {at_least} at least", "give more images")
        if not bool(features.isfinite().all()):
            raise UsageError(f"{name}: some features are NaN or infinite", "look at the images that gave them")
    if real.shape[1] != generated.shape[1]:
        raise UsageError(
            f"generated: features of {generated.shape[1]} numbers, the real ones have {real.shape[1]}",
            "take both from one space",
        )


def blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of `rows` such that a block against `columns`, in float64, is `CHUNK_BYTES` or less."""
    step = max(1, CHUNK_BYTES // (8 * columns))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def distances(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Squared Euclidean distances of some rows of a [n, D] at a time to b [m, D]: which rows, and float64 [rows, m],
    none below 0, which the next block overwrites."""
    of_a, of_b = _squares(a), _squares(b)
    for rows, block in products(a, b):
        yield rows, block.mul_(-2).add_(of_a[rows, None]).add_(of_b).clamp_(min=0)


def products(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """a b' for some rows of a [n, D] at a time: which rows, and float64 [rows, m], which the next block overwrites.

    One buffer serves all: malloc may keep many of this size, and gives none of them back.
    """
    buffer: Tensor | None = None
    for rows in blocks(len(a), len(b)):
        part = a[rows].double()
        if buffer is None:
            buffer = torch.empty(len(part), len(b), dtype=torch.float64, device=a.device)
        block = buffer[: len(part)]
        for piece in blocks(len(b), b.shape[1]):
            torch.mm(part, b[piece].double().T, out=block[:, piece])
        yield rows, block


def _squares(features: Tensor) -> Tensor:
    return torch.cat([features[piece].double().square().sum(1) for piece in blocks(*features.shape)])
