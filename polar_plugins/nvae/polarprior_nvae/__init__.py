"""NVAE as a polarprior plugin. Importing it does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import StockRepo, hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import Generator, JacobianFn, Settings

NAME = "nvae"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``nvae:FILE``: a checkpoint that train.py wrote; a checkout must be at hand to open it."""
    from polarprior_nvae.generator import load

    return load(source, settings).on(device)


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images from the noise of all groups (``z``), or from that of the top group, the others as drawn (``top``)."""
    from polarprior_nvae.jacobian import top_jacobian_fn

    return top_jacobian_fn(generator) if (space, domain) == ("pixel", "top") else None


@hookimpl
def stock_repos() -> list[StockRepo]:
    """NVlabs/NVAE."""
    from polarprior_nvae.repos import NVAE

    return [NVAE]
