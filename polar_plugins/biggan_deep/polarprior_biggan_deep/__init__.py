"""BigGAN-deep as a polarprior plugin, from two ports that share no code. Importing it does not import torch."""

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

NAME = "biggan-deep"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``biggan-deep:FOLDER``: what pytorch-pretrained-biggan saves, or an experiment of BigGAN-PyTorch's weights.

    ``biggan-deep:biggan-deep-128`` (256, 512) is fetched by the package.
    """
    from polarprior_biggan_deep import biggan_pytorch, pretrained_biggan

    if biggan_pytorch.is_experiment(source):
        return biggan_pytorch.load(source, settings).on(device)
    return pretrained_biggan.load(source, settings).on(device)


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """Latents within the truncation, of one class or of all classes together."""
    from polarprior_biggan_deep.latents import latent_sampler

    return latent_sampler(generator, bank, rho, options, host)


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """``discriminator``: the last features of an experiment's own, ``D.pth``; DeepMind has published none."""
    from polarprior.plugin import DISCRIMINATOR, discriminator_map

    return discriminator_map(generator) if (generator.plugin, space) == (NAME, DISCRIMINATOR) else None


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images from z, the class given, with conditional batch norms and embeddings folded."""
    from polarprior_biggan_deep import biggan_pytorch, pretrained_biggan
    from polarprior_biggan_deep.jacobian import folded_jacobian_fn

    if (space, domain) != ("pixel", "z"):
        return None
    port = pretrained_biggan if hasattr(generator.network, "embeddings") else biggan_pytorch
    return folded_jacobian_fn(generator, port.stock_pass(generator))


@hookimpl
def stock_repos() -> list[StockRepo]:
    """ajbrock/BigGAN-PyTorch, and scripts that import pytorch_pretrained_biggan."""
    from polarprior_biggan_deep.repos import BIGGAN_PYTORCH, PACKAGE

    return [BIGGAN_PYTORCH, PACKAGE]
