"""A step of training, and how its length falls."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step that lowers a loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def slow_down(optimizers: Sequence[torch.optim.Optimizer], step: int, steps: int) -> None:
    """Set the rate for a step: the last third of the steps lowers it to a tenth, in a straight line."""
    left = (steps - step) / (steps / 3)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial"] = group.get("initial", group["lr"])
            group["lr"] = group["initial"] * min(1.0, 0.1 + 0.9 * left)
