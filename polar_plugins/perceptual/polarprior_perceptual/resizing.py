"""Images to the size and the channels that a network takes."""

from __future__ import annotations

from functools import cache

import torch
from polarprior.plugin import UsageError
from torch import Tensor
from torch.nn.functional import interpolate


def resized(images: Tensor, size: int) -> Tensor:
    """Images [n, C, H, W], C 1 or 3, to [n, 3, size, size]: bicubic, antialiased; grey is repeated.

    It is linear in the images, and differentiable as any product with two matrices is.

    Raises:
        UsageError: what is no image.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise UsageError(
            f"images: got {list(images.shape[1:])} each, expected [1 or 3, height, width]", "use space=pixel"
        )
    rows, columns = (_matrix(length, size).to(images) for length in images.shape[2:])
    return (rows @ images @ columns.mT).expand(-1, 3, -1, -1)


@cache
def _matrix(length: int, size: int) -> Tensor:
    """[size, length]: what torch's own resizing does to each unit vector."""
    if length == size:
        return torch.eye(size)
    rows = torch.eye(length)[None, None]  # a tensor one pixel wide would go wrong: torch takes it for channels-last
    return interpolate(rows, (length, size), mode="bicubic", antialias=True, align_corners=False)[0, 0].T.contiguous()
