"""The models by name: their networks, what may be set, and their weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from safetensors.torch import load_file
from torch import nn

from polarprior_mnist.autoencoders import Autoencoder, HierarchicalAutoencoder
from polarprior_mnist.convolutional import ClassConditional, Convolutional
from polarprior_mnist.normalizing import PixelNormalised, StyleBased

LATENT_DIM = 32
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Model(NamedTuple):
    """A generator.

    Attributes:
        network: makes it, without weights.
        settings: names of what may be set.
        normalizes_latent: it puts z on a sphere.
        channels: of its images.
        class_names: of a class-conditional one.
    """

    network: Callable[[], nn.Module]
    settings: tuple[str, ...] = ()
    normalizes_latent: bool = False
    channels: int = 1
    class_names: tuple[str, ...] = ()


MODELS = {
    "wgan": Model(lambda: Convolutional(LATENT_DIM)),
    "progressive": Model(lambda: PixelNormalised(LATENT_DIM), normalizes_latent=True),
    "style": Model(lambda: StyleBased(LATENT_DIM), settings=("trunc",), normalizes_latent=True),
    "classes": Model(lambda: ClassConditional(LATENT_DIM, len(DIGITS)), settings=("trunc",), class_names=DIGITS),
    "vae": Model(lambda: Autoencoder(LATENT_DIM)),
    "coloured": Model(HierarchicalAutoencoder, settings=("temperature",), channels=3),
}


def weights_file(name: str) -> Path:
    """Where the weights of the network `name` are."""
    return Path(__file__).parent / "weights" / f"{name}.safetensors"


def with_weights(name: str, network: nn.Module) -> nn.Module:
    """`network` with the weights of `name`, in eval mode, not to be trained."""
    network.load_state_dict(load_file(weights_file(name)))
    return network.eval().requires_grad_(False)
