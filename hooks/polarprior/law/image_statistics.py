"""Plain statistics of images: what a polarity turns up or down besides the volume, and what `hold` keeps still."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from polarprior.errors import UsageError, nearest

Statistic = Callable[[Tensor], Tensor]


def brightness(images: Tensor) -> Tensor:
    """Mean of all pixels and channels, [n]."""
    return images.flatten(1).mean(1)


def contrast(images: Tensor) -> Tensor:
    """Standard deviation of all pixels and channels, [n]."""
    return images.flatten(1).std(1)


def texture(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, [n]."""
    return (images.diff(dim=-1).abs().flatten(1).mean(1) + images.diff(dim=-2).abs().flatten(1).mean(1)) / 2


def saturation(images: Tensor) -> Tensor:
    """Share of pixels beyond ±0.95, where black and white begin, [n]."""
    return (images.abs() > 0.95).flatten(1).double().mean(1)


STATISTICS: dict[str, Statistic] = {each.__name__: each for each in (brightness, contrast, texture, saturation)}


def named_statistics(wanted: tuple[str | Statistic, ...]) -> dict[str, Statistic]:
    """Statistics by name: those of `STATISTICS`, or functions of images [n, C, H, W] to [n].

    Raises:
        UsageError: no such statistic, or one twice.
    """
    found: dict[str, Statistic] = {}
    for each in wanted:
        name = each if isinstance(each, str) else getattr(each, "__name__", repr(each))
        if isinstance(each, str) and each not in STATISTICS:
            raise UsageError(
                f"hold: got {each!r}, expected some of {', '.join(STATISTICS)}",
                f"use hold={nearest(each, list(STATISTICS))}; in Python it takes any function of images as well",
            )
        if name in found:
            raise UsageError(f"hold: got {name} twice", "name each once")
        found[name] = STATISTICS[each] if isinstance(each, str) else each
    return found


def measured(statistics: dict[str, Statistic], images: Tensor) -> np.ndarray:
    """Statistics of images: float64 [n, m]; m may be 0.

    Raises:
        UsageError: one isn't a finite number an image.
    """
    columns = []
    for name, statistic in statistics.items():
        if images.ndim != 4 and name in STATISTICS:
            raise UsageError(
                f"hold: {name} is of images, the generator gives {list(images.shape[1:])} a latent",
                "in Python hold takes any function of its output",
            )
        values = statistic(images)
        if not isinstance(values, Tensor) or values.shape != (len(images),) or not bool(values.isfinite().all()):
            got = list(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise UsageError(
                f"hold: {name} gave {got}, expected a finite number for each of {len(images)} images",
                "return a tensor [n]",
            )
        columns.append(values.detach().double().cpu())
    return torch.stack(columns, 1).numpy() if columns else np.empty((len(images), 0))
