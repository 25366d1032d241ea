"""StyleGAN2 networks as a polarprior plugin, and what the plugin for StyleGAN3 shares with it. Importing it does not
import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import StockRepo, hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import Generator, JacobianFn, Settings

NAME = "stylegan2"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``stylegan2:FILE``: an official pickle, or one that train.py wrote; a checkout must be at hand to open it."""
    from polarprior_stylegan2.generator import load

    return load(NAME, source, device, settings)


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """Images or styles, from z or from w, with modulated convolutions that are not fused."""
    from polarprior_stylegan2.jacobian import network_jacobian_fn
    from polarprior_stylegan2.operators import plain_operators

    return network_jacobian_fn(generator, space, domain, plain_operators, fused_modconv=False)


@hookimpl
def stock_repos() -> list[StockRepo]:
    """NVlabs/stylegan2-ada-pytorch."""
    from polarprior_stylegan2.repos import STYLEGAN2_ADA

    return [STYLEGAN2_ADA]
