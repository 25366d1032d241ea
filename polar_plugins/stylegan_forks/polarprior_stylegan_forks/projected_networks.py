"""A Generator from a network of projected-gan: a StyleGAN2 or a FastGAN."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any

from polarprior.plugin import Generator, Settings
from polarprior_stylegan2.generator import KINDS, generator_of, kind_of

from polarprior_stylegan_forks.fastgan import fastgan_generator, is_fastgan


def projected_generator(network: Any, asked: Settings, critic: Any = None) -> Generator | None:
    """The generator, on the CPU; None where the network is neither. Of its discriminator nothing is made: see
    `polarprior_stylegan_forks.spaces`.

    Raises:
        UsageError: a setting that the network doesn't have, or random noise.
    """
    if is_fastgan(network):
        return fastgan_generator(network, asked)
    if kind_of(network) is not KINDS["stylegan2"]:
        return None
    asked.check_only(("trunc", "noise_mode"), "projected-gan")
    own = version("polarprior-stylegan-forks")
    return replace(generator_of(network, asked), plugin="projected-gan", version=own)
