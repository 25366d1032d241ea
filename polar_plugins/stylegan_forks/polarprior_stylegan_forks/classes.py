"""Classes in the form in which the stock networks take them."""

from __future__ import annotations

import torch
from torch import Tensor


def one_hot(label: Tensor | None, num_classes: int, z: Tensor) -> Tensor:
    """Classes int64 [n] as rows [n, num_classes] of zeros with a one; without classes, zeros. As z is: its device
    and dtype.

    `torch.nn.functional.one_hot` checks its argument, which can't be traced.
    """
    if label is None:
        return z.new_zeros(len(z), num_classes)
    return (label[:, None] == torch.arange(num_classes, device=z.device)).to(z.dtype)
