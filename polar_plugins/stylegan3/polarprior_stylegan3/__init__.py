"""StyleGAN3 networks as a polarprior plugin. Importing it does not import torch.

Its repository also runs StyleGAN2 networks, and the two have their latents, loader and seam in common: those are in
`polarprior_stylegan2`.
"""

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

NAME = "stylegan3"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``stylegan3:FILE``: an official pickle, or one that train.py wrote; a checkout must be at hand to open it."""
    from polarprior_stylegan2.generator import load

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
    """``discriminator``, the last features of the pickle's own; ``style`` is a space of latents alone."""
    from polarprior_stylegan2.spaces import feature_map

    return feature_map(generator, space) if generator.plugin == NAME else None


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images or styles, from z or from w, with modulated convolutions that are not fused."""
    from polarprior_stylegan2.jacobian import network_jacobian_fn

    from polarprior_stylegan3.operators import unfused_operators

    return network_jacobian_fn(generator, space, domain, unfused_operators)


@hookimpl
def stock_repos() -> list[StockRepo]:
    """NVlabs/stylegan3."""
    from polarprior_stylegan2.repos import STYLEGAN3

    return [STYLEGAN3]
