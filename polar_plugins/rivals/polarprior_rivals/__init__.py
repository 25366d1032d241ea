"""Other ways to choose a generator's latents after training, as a polarprior plugin: what polarity is compared with.
Importing it does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    from polarprior.plugin import Bank, Generator, LatentSampler, SamplerOptions

NAME = "rivals"
__version__ = "0.1.0"


@hookimpl
def get_latent_sampler(generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions) -> LatentSampler:
    """``rivals:NAME[:VALUE]``, see `polarprior_rivals.samplers`. rho must be 0: none draws a polarity prior."""
    from polarprior_rivals.samplers import sampler

    return sampler(generator, rho, options)
