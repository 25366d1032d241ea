"""Spaces of networks that look at digits."""

from __future__ import annotations

from functools import cache

from polarprior.plugin import FeatureMap, Generator
from torch import Tensor

from polarprior_mnist import NAME
from polarprior_mnist.autoencoders import Autoencoder
from polarprior_mnist.judges import Classifier
from polarprior_mnist.zoo import MODELS, with_weights


def feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """The map to `space` for images [n, C, 28, 28] of any generator; None where it is none of these: ``classifier``,
    the last hidden layer [n, 64] of a classifier; ``classifier-logits``, [n, 10]; ``encoder``, the means [n, 32] that
    the autoencoder ``vae`` gives its latents."""
    device = generator.device
    if space == "encoder":
        autoencoder = _autoencoder().to(device)

        def means(images: Tensor) -> Tensor:
            return autoencoder.encoder(images.amax(1, keepdim=True)).chunk(2, 1)[0]

        return FeatureMap(f"{NAME}:{space}", means)
    if space not in ("classifier", "classifier-logits"):
        return None
    classifier = _classifier().to(device)
    return FeatureMap(f"{NAME}:{space}", classifier.features if space == "classifier" else classifier)


@cache
def _classifier() -> Classifier:
    network = with_weights("classifier", Classifier())
    assert isinstance(network, Classifier)
    return network


@cache
def _autoencoder() -> Autoencoder:
    network = with_weights("vae", MODELS["vae"].network())
    assert isinstance(network, Autoencoder)
    return network
