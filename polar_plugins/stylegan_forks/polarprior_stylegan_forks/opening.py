"""Opens a network pickle of one of the repositories, and says what it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from polarprior.plugin import Generator, PolarPriorError, Settings, StockRepo, use_checkout
from polarprior_stylegan2.generator import kind_of
from polarprior_stylegan2.pickles import load_networks

from polarprior_stylegan_forks.projected_networks import projected_generator
from polarprior_stylegan_forks.r3gan_networks import r3gan_generator
from polarprior_stylegan_forks.repos import PROJECTED_GAN, R3GAN, STYLEGAN_XL
from polarprior_stylegan_forks.xl_networks import xl_generator


class Model(NamedTuple):
    """What a plugin opens: the repository that its pickles come from, and (network, settings, discriminator) to a
    Generator, or None where the network is another's."""

    repo: StockRepo
    generator_of: Callable[[Any, Settings, Any], Generator | None]


MODELS = {
    "projected-gan": Model(PROJECTED_GAN, projected_generator),
    "r3gan": Model(R3GAN, r3gan_generator),
    "stylegan-xl": Model(STYLEGAN_XL, xl_generator),
}


def load(plugin: str, source: str | None, device: torch.device, settings: Settings) -> Generator:
    """The generator of a network pickle; see the hook `load_generator`.

    Raises:
        UsageError: no source, or a setting that the network doesn't have.
        PolarPriorError: no checkout, no file, no network pickle, or a network of another kind.
    """
    use_checkout([MODELS[plugin].repo])
    network, critic = load_networks(plugin, source)
    return opened(plugin, network.eval().requires_grad_(False), settings, f"model: {source}", critic).on(device)


def opened(plugin: str, network: Any, settings: Settings, named: str, critic: Any = None) -> Generator:
    """The generator of a network that has been loaded, on the CPU.

    Args:
        plugin: whose it is to be.
        network: stock module.
        settings: at which it is used.
        named: the argument that named the pickle, for messages.
        critic: the pickle's discriminator.

    Raises:
        UsageError: a setting that the network doesn't have.
        PolarPriorError: a network of another kind.
    """
    generator = MODELS[plugin].generator_of(network, settings, critic)
    if generator is None:
        kind = kind_of(network)
        raise PolarPriorError(
            f"{named} holds no network of {plugin}, but a {type(network).__name__}"
            + (f" as those of {kind.plugin} are" if kind else ""),
            f"name a pickle that train.py of {MODELS[plugin].repo.name} wrote",
        )
    return generator
