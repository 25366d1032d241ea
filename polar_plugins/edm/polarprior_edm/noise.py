"""The noise that the stock scripts draw for a seed, on the device on which they draw it."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from polarprior.plugin import LatentPrior


def noise_prior(shape: tuple[int, ...], device: torch.device) -> LatentPrior:
    """Standard normal noise of a shape. A GPU draws other numbers for a seed than a CPU: its noise has another name,
    so that a bank of one is refused to the other."""
    name = "normal" if device.type == "cpu" else f"normal drawn on {device.type}"
    return LatentPrior(name, shape, partial(stock_noise, shape, device))


def stock_noise(shape: tuple[int, ...], device: torch.device, seeds: np.ndarray) -> np.ndarray:
    """Noise of each seed, [n, *shape]; to seed one stream again gives the same numbers as a new one."""
    stream = torch.Generator(device)
    rows = [torch.randn(shape, generator=stream.manual_seed(int(seed)), device=device).cpu() for seed in seeds]
    return torch.stack(rows).numpy()
