"""`mnist:onestep`: a consistency model, a picture in one step, which diffusers' own classes open and run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from polarprior.plugin import Generator, JacobianFn, OwnSetting, PolarPriorError, Settings

from polarprior_mnist import NAME, ONE_STEP, __version__
from polarprior_mnist.zoo import DIGITS

FOLDER = Path(__file__).parent / "weights" / ONE_STEP
SETTINGS = ("steps", "seeds")


def load(device: torch.device, settings: Settings) -> Generator:
    """The generator; see the hook `load_generator`. PolarPriorError without polarprior-diffusers."""
    generator: Generator = _pipelines().load_generator(str(FOLDER), device, settings)
    return replace(
        generator,
        plugin=NAME,
        version=__version__,
        class_names=DIGITS,
        classifier="classifier",
        spaces=("classifier", "encoder"),
        licence="Apache-2.0 (trained here, on MNIST)",
    )


def own_settings() -> Mapping[str, OwnSetting]:
    """The settings of a consistency model without a prompt."""
    own = _pipelines().own_settings()
    return {name: own[name] for name in SETTINGS}


def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """The Jacobian of pictures in latents, as polarprior-diffusers takes it."""
    found: JacobianFn | None = _pipelines().jacobian_fn(generator, space, domain)
    return found


def _pipelines() -> Any:
    """The plugin for pipelines, an optional dependency."""
    try:
        return importlib.import_module("polarprior_diffusers")
    except ModuleNotFoundError as error:
        raise PolarPriorError(
            f"model: {NAME}:{ONE_STEP} is a pipeline of diffusers, for which no plugin is installed",
            f"install it: pip install 'polarprior-mnist[{ONE_STEP}]'",
        ) from error
