"""NVAE's hierarchical sampler as a function of standard normal noise, one number for each number of its latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from polarprior.plugin import LatentPrior, latent_prior
from torch import Tensor

Shapes = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class NoisePrior(LatentPrior):
    """Standard normal noise for the latents of all groups, at any temperature: that multiplies it inside the network.

    Attributes:
        groups: shape [channels, height, width] of each group's latents, in the order in which they are drawn.
    """

    groups: Shapes = ()

    @classmethod
    def of(cls, groups: Shapes) -> NoisePrior:
        """The noise of these groups. evaluate.py seeds nothing: the seeds are polarprior's own."""
        normal = latent_prior("normal", sum(map(prod, groups)))
        return cls(normal.name, normal.shape, normal.rows, stock_seeds=False, groups=groups)


def group_lengths(noise: Tensor, groups: Shapes) -> np.ndarray:
    """The length of each group's part of noise [n, K], float64 [n, groups]."""
    parts = noise.double().split([prod(shape) for shape in groups], dim=1)
    lengths: np.ndarray = torch.stack([part.norm(dim=1) for part in parts], 1).cpu().numpy()
    return lengths


def group_shapes(network: Any) -> Shapes:
    """Shape [channels, height, width] of each group's latents, in the order in which they are drawn."""
    channels, height, width = network.z0_size
    shapes = []
    for cell in network.dec_tower:
        if cell.cell_type == "combiner_dec":
            shapes.append((channels, height, width))
        elif cell.cell_type == "up_dec":
            height, width = 2 * height, 2 * width
    return tuple(shapes) or ((channels, height, width),)  # with a single group there is no tower


def groups_of(noise: Tensor, shapes: Sequence[tuple[int, int, int]]) -> list[Tensor]:
    """Noise [n, K], all groups behind each other, as a list of [n, *shape]."""
    parts = noise.split([prod(shape) for shape in shapes], dim=1)
    return [part.reshape(len(noise), *shape) for part, shape in zip(parts, shapes, strict=True)]


def draw_as_stock(n: int, shapes: Sequence[tuple[int, int, int]], device: torch.device) -> Tensor:
    """The noise [n, K] that the stock sampler would take next from torch's global stream: group after group."""
    return torch.cat([torch.empty(n, *shape, device=device).normal_().flatten(1) for shape in shapes], 1)


def logits_of(network: Any, groups: Sequence[Tensor], normal: Any, temperature: float) -> Tensor:
    """What ``AutoEncoder.sample`` gives for this noise, as a differentiable function of it, on any device.

    Args:
        network: the stock AutoEncoder, in eval mode.
        groups: noise [n, *shape] of each group.
        normal: the stock class of a group's distribution.
        temperature: of every group.
    """
    start = torch.zeros_like(groups[0])
    z = normal(start, start, temperature).sample_given_eps(groups[0])
    features = network.prior_ftr0.expand(len(z), -1, -1, -1)
    group = 0
    for cell in network.dec_tower:
        if cell.cell_type != "combiner_dec":
            features = cell(features)
            continue
        if group:
            mean, log_deviation = network.dec_sampler[group - 1](features).chunk(2, dim=1)
            z = normal(mean, log_deviation, temperature).sample_given_eps(groups[group])
        features = cell(features, z)
        group += 1
    if network.vanilla_vae:  # a single group, which no tower takes up
        features = network.stem_decoder(z)
    for cell in network.post_process:
        features = cell(features)
    return network.image_conditional(features)


@contextmanager
def feeding(distributions: Any, groups: Sequence[Tensor]) -> Iterator[None]:
    """Have the stock sampler, inside, take this noise, a group a call, in place of what it would draw."""
    feed = iter(groups)

    def sample_normal(mu: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        noise = next(feed).to(mu.dtype)
        return noise * sigma + mu, noise

    original: Callable[..., Any] = distributions.sample_normal_jit
    distributions.sample_normal_jit = sample_normal
    try:
        yield
    finally:
        distributions.sample_normal_jit = original
