"""Latents of a polarity prior for NVAE: the noise of all its groups."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from polarprior.plugin import (
    AskingHost,
    Bank,
    Generator,
    Geometry,
    LatentSampler,
    SamplerOptions,
    reweighting_sampler,
)

from polarprior_nvae.noise import NoisePrior, group_lengths


def latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """One of the host's samplers on the noise of all groups, standard normal at any temperature.

    Every group's noise has a shell of its own: in the length of thousands of numbers a law could hide what it does to
    the few hundred of the coarsest group, which decide most of the image. So ``support=shell`` holds the length of
    each group, and beyond the limits of rho a warning says which group leaves its shell.
    """
    assert isinstance(generator.prior, NoisePrior)
    geometry = replace(Geometry.normal(), lengths=partial(group_lengths, groups=generator.prior.groups))
    return reweighting_sampler(generator, bank, rho, options, host.jacobian_fn, geometry)
