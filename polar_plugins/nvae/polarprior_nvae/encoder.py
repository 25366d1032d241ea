"""NVAE's own encoder as a space of images: the means of what it says of the coarsest groups."""

from __future__ import annotations

import sys
from typing import Any

from polarprior.plugin import FeatureMap, Generator, one_at_a_time
from torch import Tensor, cat

ENCODER = "encoder"


def encoder_map(generator: Generator) -> FeatureMap:
    """The space ``encoder``: `top_means` of the checkpoint's network, of each image alone."""
    return FeatureMap(ENCODER, one_at_a_time(lambda images: top_means(generator.network, images)))


def top_means(network: Any, images: Tensor) -> Tensor:
    """Posterior means of the groups of the coarsest scale, one group behind the other: [n, D].

    Each group's posterior is that which the stock ``AutoEncoder.forward`` has where every group before it is at its
    mean, put through the normalising flows where there are some.

    Args:
        network: the stock AutoEncoder, in eval mode.
        images: [n, C, H, W] in [-1, 1].
    """
    normal = sys.modules[type(network).__module__].Normal
    features, skips = _encoded(network, images)
    own_means: list[Tensor] = []
    state = network.prior_ftr0.expand(len(images), -1, -1, -1)
    for cell in network.dec_tower:
        if cell.cell_type == "up_dec":  # the next scale
            break
        if cell.cell_type != "combiner_dec":
            state = cell(state)
            continue
        group = len(own_means)
        if group:
            combine, skip = skips[group - 1]
            features = combine(skip, state)
        mean, z = _posterior(network, normal, group, features, state)
        own_means.append(mean)
        state = cell(state, z)
    if not own_means:  # a single group, which no tower takes up
        own_means.append(_posterior(network, normal, 0, features, state)[0])
    return cat([mean.flatten(1) for mean in own_means], 1)


def _encoded(network: Any, images: Tensor) -> tuple[Tensor, list[tuple[Any, Tensor]]]:
    """What the first group's posterior is taken from, and for each further group the cell that takes what the encoder
    knows at its scale, and that."""
    features = network.stem(2 * ((images + 1) / 2) - 1.0)
    for cell in network.pre_process:
        features = cell(features)
    skips = []
    for cell in network.enc_tower:
        if cell.cell_type == "combiner_enc":
            skips.append((cell, features))
        else:
            features = cell(features)
    return network.enc0(features), skips[::-1]


def _posterior(network: Any, normal: Any, group: int, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """A group's posterior mean, and the latent that the mean becomes by the flows."""
    mean, log_deviation = network.enc_sampler[group](features).chunk(2, dim=1)
    if group and network.res_dist:  # relative to the prior's
        prior_mean, prior_log_deviation = network.dec_sampler[group - 1](state).chunk(2, dim=1)
        mean, log_deviation = prior_mean + mean, prior_log_deviation + log_deviation
    mean = normal(mean, log_deviation).mu
    z = mean
    for flow in network.nf_cells[group * network.num_flows : (group + 1) * network.num_flows]:
        z, _ = flow(z, features)
    return mean, z
