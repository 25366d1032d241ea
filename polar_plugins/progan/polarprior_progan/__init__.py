"""ProGAN as a polarprior plugin, from two repositories that share no code. Importing it does not import torch."""

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

NAME = "progan"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``progan:FILE``: a checkpoint of pytorch_GAN_zoo or of genforce; a checkout must be at hand to open it."""
    from polarprior_progan.loading import load

    return load(source, settings).on(device)


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """Latents on the sphere that pixel norm puts z on."""
    from polarprior_progan.latents import latent_sampler

    return latent_sampler(generator, bank, rho, options, host)


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """``discriminator``: the last features of the discriminator that the checkpoint holds."""
    from polarprior.plugin import DISCRIMINATOR, discriminator_map

    return discriminator_map(generator) if (generator.plugin, space) == (NAME, DISCRIMINATOR) else None


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images from z on the sphere, with the radius taken out."""
    from polarprior_progan.jacobian import sphere_jacobian_fn

    return sphere_jacobian_fn(generator) if (space, domain) == ("pixel", "z") else None


@hookimpl
def stock_repos() -> list[StockRepo]:
    """facebookresearch/pytorch_GAN_zoo and genforce/genforce."""
    from polarprior_progan.repos import GAN_ZOO, GENFORCE

    return [GAN_ZOO, GENFORCE]
