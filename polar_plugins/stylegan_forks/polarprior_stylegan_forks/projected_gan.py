"""The plugin `projected-gan`: StyleGAN2 and FastGAN networks of autonomousvision/projected-gan."""

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

NAME = "projected-gan"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``projected-gan:FILE``: an official pickle, or one that train.py wrote; a checkout must be at hand to open
    it."""
    from polarprior_stylegan_forks.opening import load

    return load(NAME, source, device, settings)


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """Latents on the sphere that a StyleGAN2's mapping network puts z on, and a FastGAN's first layer."""
    from polarprior_stylegan2.latents import latent_sampler

    return latent_sampler(generator, bank, rho, options, host)


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """None; ``discriminator`` and ``style`` are refused with a reason."""
    from polarprior_stylegan_forks.spaces import projected_map

    return projected_map(generator, space) if generator.plugin == NAME else None


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images or styles of a StyleGAN2, from z or from w, with modulated convolutions that are not fused; None for a
    FastGAN, of which the host knows as much."""
    from polarprior_stylegan2.jacobian import network_jacobian_fn
    from polarprior_stylegan2.operators import unfused_operators

    from polarprior_stylegan_forks.fastgan import is_fastgan

    if is_fastgan(generator.network):
        return None
    return network_jacobian_fn(generator, space, domain, unfused_operators)


@hookimpl
def stock_repos() -> list[StockRepo]:
    """autonomousvision/projected-gan."""
    from polarprior_stylegan_forks.repos import PROJECTED_GAN

    return [PROJECTED_GAN]
