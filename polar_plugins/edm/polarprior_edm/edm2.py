"""EDM2's diffusion models as a polarprior plugin, with or without guidance. Importing it does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from polarprior.plugin import StockRepo, hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import (
        AskingHost,
        Bank,
        Generator,
        JacobianFn,
        LatentSampler,
        OwnSetting,
        SamplerOptions,
        Settings,
    )

NAME = "edm2"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``edm2:FILE.pkl``, or ``edm2:FILE.pkl+GNET.pkl`` with what guides it; a checkout must be at hand."""
    from polarprior_edm.generator import load

    return load(NAME, source, settings).on(device)


@hookimpl
def own_settings() -> Mapping[str, OwnSetting]:
    """The steps of the sampler, between which noise levels they are, and the strength of guidance."""
    from polarprior_edm.settings import own_settings_of

    return own_settings_of(NAME)


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """Standard normal noise, on whatever device it is drawn."""
    from polarprior_edm.latents import latent_sampler

    return latent_sampler(generator, bank, rho, options, host)


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images from the noise that the sampler begins with, through all its steps."""
    from polarprior_edm.jacobian import sampler_jacobian_fn

    return sampler_jacobian_fn(generator) if (space, domain) == ("pixel", "z") else None


@hookimpl
def stock_repos() -> list[StockRepo]:
    """NVlabs/edm2."""
    from polarprior_edm.repos import EDM2

    return [EDM2]
