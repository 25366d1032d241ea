"""Feature maps of pretrained image networks as a polarprior plugin. Importing it does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    from polarprior.plugin import FeatureMap, Generator

NAME = "perceptual"
__version__ = "0.1.0"


@hookimpl
def space_names() -> list[str]:
    """All of them."""
    from polarprior_perceptual.spaces import SPACES

    return list(SPACES)


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap:
    """One of `polarprior_perceptual.spaces.SPACES`, such as ``perceptual:efficientnet-lite0``."""
    from polarprior_perceptual.spaces import feature_map

    return feature_map(space, generator.device)
