"""Latents of a polarity prior for a diffusion model: standard normal noise."""

from __future__ import annotations

from polarprior.plugin import (
    AskingHost,
    Bank,
    Generator,
    Geometry,
    LatentSampler,
    SamplerOptions,
    reweighting_sampler,
)


def latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """One of the host's samplers on standard normal noise; the host knows it by its name on a CPU alone."""
    return reweighting_sampler(generator, bank, rho, options, host.jacobian_fn, Geometry.normal())
