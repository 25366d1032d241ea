"""Polarity priors for pretrained generators.

The names below are loaded when they are first used, so that ``import polarprior`` does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polarprior.hookspecs import hookimpl, hookspec

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank as Bank
    from polarprior.building.build import build_bank as build_bank
    from polarprior.errors import PolarPriorError as PolarPriorError
    from polarprior.generator import Generator as Generator
    from polarprior.generator import LatentPrior as LatentPrior
    from polarprior.generator import Latents as Latents
    from polarprior.jacobian.feature_map import FeatureMap as FeatureMap
    from polarprior.jacobian.linear_map import LinearMap as LinearMap
    from polarprior.settings import Settings as Settings
    from polarprior.stock.repo import StockRepo as StockRepo
    from polarprior.volume.calibrating import calibrate as calibrate
    from polarprior.volume.estimators import top_singular_values as top_singular_values
    from polarprior.wrapping import wrap as wrap

__version__ = "0.1.0"

_HOME = {
    "Bank": "polarprior.bank.bank",
    "FeatureMap": "polarprior.jacobian.feature_map",
    "Generator": "polarprior.generator",
    "LatentPrior": "polarprior.generator",
    "Latents": "polarprior.generator",
    "LinearMap": "polarprior.jacobian.linear_map",
    "PolarPriorError": "polarprior.errors",
    "Settings": "polarprior.settings",
    "StockRepo": "polarprior.stock.repo",
    "build_bank": "polarprior.building.build",
    "calibrate": "polarprior.volume.calibrating",
    "top_singular_values": "polarprior.volume.estimators",
    "wrap": "polarprior.wrapping",
}
_OF_THE_HOST = ("feature_map", "jacobian_fn", "latent_sampler", "load")

__all__ = [*sorted(_HOME), *_OF_THE_HOST, "hookimpl", "hookspec"]


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _OF_THE_HOST:
        from polarprior.host import default_host

        return getattr(default_host(), name)
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
