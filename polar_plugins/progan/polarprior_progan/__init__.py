"""ProGAN as a polarprior plugin, from two repositories that share no code. Importing it does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import StockRepo, hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import Generator, Settings

NAME = "progan"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``progan:FILE``: a checkpoint of pytorch_GAN_zoo or of genforce; a checkout must be at hand to open it."""
    from polarprior_progan.loading import load

    return load(source, settings).on(device)


@hookimpl
def stock_repos() -> list[StockRepo]:
    """facebookresearch/pytorch_GAN_zoo and genforce/genforce."""
    from polarprior_progan.repos import GAN_ZOO, GENFORCE

    return [GAN_ZOO, GENFORCE]
