"""NVAE as a polarprior plugin. Importing it does not import torch."""

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

NAME = "nvae"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``nvae:FILE``: a checkpoint that train.py wrote; a checkout must be at hand to open it."""
    from polarprior_nvae.generator import load

    return load(source, settings).on(device)


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """The noise of all groups, with a shell for each."""
    from polarprior_nvae.latents import latent_sampler

    return latent_sampler(generator, bank, rho, options, host)


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """``encoder``: the posterior means of the coarsest groups, by the checkpoint's own encoder."""
    from polarprior_nvae.encoder import ENCODER, encoder_map

    return encoder_map(generator) if (generator.plugin, space) == (NAME, ENCODER) else None


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images from the noise of all groups (``z``), or from that of the top group, the others as drawn (``top``)."""
    from polarprior_nvae.jacobian import DOMAINS, groups_jacobian_fn

    return groups_jacobian_fn(generator, domain) if space == "pixel" and domain in DOMAINS else None


@hookimpl
def stock_repos() -> list[StockRepo]:
    """NVlabs/NVAE."""
    from polarprior_nvae.repos import NVAE

    return [NVAE]
