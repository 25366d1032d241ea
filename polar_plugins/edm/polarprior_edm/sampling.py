"""The stock samplers without added noise: a chain of passes through a denoiser."""

from __future__ import annotations

from typing import Any

import torch
from polarprior.plugin import Settings, StepChain, heun

from polarprior_edm.denoiser import Denoiser


def chain_of(denoiser: Denoiser, settings: Settings, dtype: torch.dtype) -> StepChain:
    """Noise [n, C, R, R], and classes int64 [n] where there are some, to images [n, C, R, R].

    Args:
        denoiser: of the model.
        settings: all of them, as `polarprior_edm.settings.in_force` gives them.
        dtype: in what the stock sampler keeps noise levels; the picture is kept in float64 between two passes.
    """
    levels = noise_levels(denoiser, settings, dtype)
    return StepChain(denoiser, heun(levels), (levels[0], 0.0))


def noise_levels(denoiser: Denoiser, settings: Settings, dtype: torch.dtype) -> list[float]:
    """Noise levels sigma_max to sigma_min, evenly spaced after a root (Karras et al. 2022, equation 5), each rounded
    to one that the network knows, where it knows only some."""
    own: dict[str, Any] = dict(settings.own)
    power = 1 / own["exponent"]
    highest, lowest = own["sigma_max"] ** power, own["sigma_min"] ** power
    shares = torch.arange(own["steps"], dtype=dtype) / (own["steps"] - 1)
    levels = (highest + shares * (lowest - highest)) ** own["exponent"]
    known = getattr(denoiser.network, "round_sigma", None)
    return (levels if known is None else known(levels)).tolist()
