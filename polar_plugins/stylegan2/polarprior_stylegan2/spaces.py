"""Spaces of a style-based network's images that its own pickle brings."""

from __future__ import annotations

from polarprior.plugin import DISCRIMINATOR, FeatureMap, Generator, UsageError, discriminator_map

STYLE = "style"


def feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """``discriminator``: the last features of the discriminator that the pickle holds.

    Raises:
        UsageError: it holds none; or ``style``, which is no space of images.
    """
    if space == STYLE:
        raise UsageError(
            f"space: got {STYLE}, which the mapping network makes of a latent: an image has none",
            f"use space={DISCRIMINATOR} or space=pixel to compare images",
        )
    return discriminator_map(generator) if space == DISCRIMINATOR else None
