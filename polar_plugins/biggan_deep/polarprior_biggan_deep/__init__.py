"""BigGAN-deep as a polarprior plugin, from two ports that share no code. Importing it does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import StockRepo, hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import Generator, Settings

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
def stock_repos() -> list[StockRepo]:
    """ajbrock/BigGAN-PyTorch."""
    from polarprior_biggan_deep.repos import BIGGAN_PYTORCH

    return [BIGGAN_PYTORCH]
