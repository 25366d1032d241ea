"""Convolutions that a CPU does faster."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def convolve_by_pixels() -> None:
    """Convolve images whose channels lie side by side, which a CPU does faster where kernels are small."""
    convolve = torch.nn.functional.conv2d

    def by_pixels(input: Tensor, *args: Any, **options: Any) -> Tensor:
        # Styles have a group an image. Of four channels, torch 2.13's backward pass of 1 x 1 kernels at stride 2
        # writes beyond its memory.
        many = len(input) > 1 and (input.shape[1] == 3 or input.shape[1] > 4)
        found: Tensor = convolve(
            input.contiguous(memory_format=torch.channels_last) if many else input, *args, **options
        )
        # Trainers take views of pictures, and of what linear layers see.
        return found.contiguous() if found.shape[1] <= 4 or found.shape[-1] <= 4 else found

    torch.nn.functional.conv2d = by_pixels
