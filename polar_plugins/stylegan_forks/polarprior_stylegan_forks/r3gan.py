"""The plugin `r3gan`: networks of brownvc/R3GAN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import StockRepo, hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import (
        AskingHost,
        Bank,
        FeatureMap,
        Generator,
        JacobianFn,
        LatentSampler,
        SamplerOptions,
        Settings,
    )

NAME = "r3gan"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``r3gan:FILE``: an official pickle, or one that train.py wrote; a checkout must be at hand to open it."""
    from polarprior_stylegan_forks.opening import load

    return load(NAME, source, device, settings)


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """Latents of any length: the first layer takes z as it is, a standard normal."""
    from polarprior.plugin import Geometry, reweighting_sampler

    return reweighting_sampler(generator, bank, rho, options, host.jacobian_fn, Geometry.normal())


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """``discriminator``, the last features of the pickle's own."""
    from polarprior.plugin import DISCRIMINATOR, discriminator_map

    return discriminator_map(generator) if (generator.plugin, space) == (NAME, DISCRIMINATOR) else None


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images from z, from where the first layer stretches most."""
    from polarprior_stylegan_forks.r3gan_networks import r3gan_jacobian_fn

    return r3gan_jacobian_fn(generator) if (space, domain) == ("pixel", "z") else None


@hookimpl
def stock_repos() -> list[StockRepo]:
    """brownvc/R3GAN."""
    from polarprior_stylegan_forks.repos import R3GAN

    return [R3GAN]
