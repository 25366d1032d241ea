"""Latents of a polarity prior for ProGAN: on the sphere where it normalises them, else where its prior has them."""

from __future__ import annotations

from polarprior.plugin import (
    SPHERE,
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
    """One of the host's samplers on the sphere that pixel norm puts z on, where no latent is longer than another.

    A setting `trunc` cuts the numbers of z off: what is left of it on the sphere are directions. Networks that were
    trained without pixel norm have latents of any length, normal or cut off.
    """
    bound = float("inf") if generator.settings.trunc is None else generator.settings.trunc
    geometry = SPHERE if generator.normalizes_latent else Geometry.normal(bound=bound)
    return reweighting_sampler(generator, bank, rho, options, host.jacobian_fn, geometry)
