"""Latents of a polarity prior for a style-based network: on a sphere, whichever domain volume is taken from."""

from __future__ import annotations

from polarprior.plugin import (
    SPHERE,
    AskingHost,
    Bank,
    Generator,
    LatentSampler,
    SamplerOptions,
    reweighting_sampler,
)


def latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """One of the host's samplers on the sphere that the mapping network puts z on.

    No latent is longer than another there: the support ``shell`` leaves nothing out, and no law can leave it. The
    domain w has no latents of its own: whether volume is taken at z or at the style w = f(z), truncated as the
    settings say, what is reweighted is p(z), and w has the law that this gives it.
    """
    return reweighting_sampler(generator, bank, rho, options, host.jacobian_fn, SPHERE)
