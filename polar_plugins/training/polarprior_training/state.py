"""Modules and optimizers as tensors by name, as a checkpoint holds them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

OF_ADAM = ("step", "exp_avg", "exp_avg_sq")

Part = nn.Module | torch.optim.Adam


def gathered(parts: Mapping[str, Part]) -> dict[str, Tensor]:
    """The tensors of all parts, ``PART.NAME``; those of an Adam are ``PART.INDEX.NAME``."""
    found: dict[str, Tensor] = {}
    for part, each in parts.items():
        if isinstance(each, nn.Module):
            found |= {f"{part}.{name}": tensor for name, tensor in each.state_dict().items()}
        else:
            for index, kept in each.state_dict()["state"].items():
                found |= {f"{part}.{index}.{name}": tensor for name, tensor in kept.items()}
    return found


def scattered(parts: Mapping[str, Part], state: Mapping[str, Tensor], begun: bool) -> None:
    """Give all parts what `gathered` took.

    Args:
        parts: as they were given there.
        state: what it returned, and more.
        begun: the optimizers had taken a step: before, there is nothing of theirs.

    Raises:
        KeyError, RuntimeError, ValueError: it is of other parts.
    """
    for part, each in parts.items():
        if isinstance(each, nn.Module):
            each.load_state_dict({name: state[f"{part}.{name}"] for name in each.state_dict()})
        elif begun:
            whole = each.state_dict()
            indices = [index for group in whole["param_groups"] for index in group["params"]]
            whole["state"] = {index: {name: state[f"{part}.{index}.{name}"] for name in OF_ADAM} for index in indices}
            each.load_state_dict(whole)
