"""The plugin `stylegan-xl`: networks of autonomousvision/stylegan-xl."""

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

NAME = "stylegan-xl"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``stylegan-xl:FILE``: an official pickle, or one that train.py wrote; a checkout must be at hand to open it."""
    from polarprior_stylegan_forks.opening import load

    return load(NAME, source, device, settings)


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """Latents on the sphere that the mapping network puts z on, from z and from w."""
    from polarprior_stylegan2.latents import latent_sampler

    return latent_sampler(generator, bank, rho, options, host)


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """None; ``discriminator`` and ``style`` are refused with a reason."""
    from polarprior_stylegan_forks.spaces import projected_map

    return projected_map(generator, space) if generator.plugin == NAME else None


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images or styles, from z or from w, with modulated convolutions that are not fused."""
    from polarprior_stylegan_forks.xl_networks import xl_jacobian_fn

    return xl_jacobian_fn(generator, space, domain)


@hookimpl
def stock_repos() -> list[StockRepo]:
    """autonomousvision/stylegan-xl."""
    from polarprior_stylegan_forks.repos import STYLEGAN_XL

    return [STYLEGAN_XL]
