"""Fills a model with the tensors of a file that is not trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn


def filled(make: Callable[[], nn.Module], weights: Path) -> nn.Module:
    """The model that `make` gives, in eval mode, with the tensors of a state dict.

    It is made without memory for its weights, so that it is never larger than the file.

    Raises:
        ValueError: a tensor that the model needs is missing.
        RuntimeError, pickle.UnpicklingError, and what else a damaged file leads to.
    """
    state = torch.load(weights, map_location="cpu", weights_only=True)
    with torch.device("meta"):
        model = make()
    missing = model.load_state_dict(state, strict=False, assign=True).missing_keys
    if missing:
        raise ValueError(f"{weights.name} lacks {len(missing)} of the model's tensors, such as {missing[0]}")
    return model.eval().requires_grad_(False)
