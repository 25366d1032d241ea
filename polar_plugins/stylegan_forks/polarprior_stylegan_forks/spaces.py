"""Spaces of images: that of a projected discriminator is refused, with the reason."""

from __future__ import annotations

from polarprior.plugin import DISCRIMINATOR, FeatureMap, Generator, UsageError
from polarprior_stylegan2.spaces import feature_map


def projected_map(generator: Generator, space: str) -> FeatureMap | None:
    """None, for any space that isn't known to be none of images.

    Raises:
        UsageError: ``style``, which is no space of images; or ``discriminator``: a projected one is several, each
            with a logit a place, on features of a network that was trained on ImageNet.
    """
    if space == DISCRIMINATOR:
        raise UsageError(
            f"space: got {DISCRIMINATOR}, and that of {generator.plugin} is many small ones behind a pretrained "
            "network, with a logit for each place: there is no last layer to take features from",
            "use space=pixel, or space=perceptual:efficientnet-lite0, whose network is of that kind",
        )
    return feature_map(generator, space)
