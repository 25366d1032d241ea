"""The spaces by name: a network each, the size that it takes, and what is done to its input."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from polarprior.plugin import FeatureMap, UsageError, nearest
from torch import Tensor, nn

from polarprior_perceptual import networks
from polarprior_perceptual.resizing import resized

PREFIX = "perceptual:"

Input = Callable[[Tensor], Tensor]


def _bytes(images: Tensor) -> Tensor:
    """0 to 255, as NVIDIA's detectors take them."""
    return images * 127.5 + 127.5


def _lite(images: Tensor) -> Tensor:
    """(x - 127) / 128 of 0 to 255: what EfficientNet-Lite was trained on."""
    return (images * 127.5 + 0.5) / 128


def _imagenet(images: Tensor) -> Tensor:
    """torchvision's mean and standard deviation of each colour."""
    mean = images.new_tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
    deviation = images.new_tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
    return ((images + 1) / 2 - mean) / deviation


class Space(NamedTuple):
    """A space.

    Attributes:
        network: makes the network: images [n, 3, size, size], prepared, to features [n, D], in eval mode.
        size: pixels to which images are resized.
        prepared: images in [-1, 1] to what the network takes.
        places: the network and what it takes to its last map [n, D, h, w], where the features are that one's mean.
    """

    network: Callable[[], nn.Module]
    size: int
    prepared: Input
    places: Callable[[nn.Module, Tensor], Tensor] | None = None


SPACES = {
    "efficientnet-lite0": Space(networks.efficientnet_lite0, 224, _lite, networks.map_of_lite0),
    "efficientnet-lite0-logits": Space(networks.efficientnet_lite0_logits, 224, _lite),
    "vgg16": Space(networks.nvidia_vgg16, 224, _bytes),
    "inception": Space(networks.nvidia_inception, 299, _bytes),
    "inception-logits": Space(networks.nvidia_inception_logits, 299, _bytes),
    "vgg16-torchvision": Space(networks.torchvision_vgg16, 224, _imagenet),
    "inception-torchvision": Space(networks.torchvision_inception, 299, _imagenet),
    "dinov2": Space(networks.dinov2, 224, _imagenet),
}


def feature_map(name: str, device: torch.device) -> FeatureMap:
    """The map to the space `name`, with its network on `device`.

    Raises:
        UsageError: there is none of that name.
        PolarPriorError: its weights aren't there and can't be had, or what it needs isn't installed.
    """
    if name not in SPACES:
        raise UsageError(
            f"space: got {PREFIX}{name}, expected one of {', '.join(SPACES)}",
            f"use space={PREFIX}{nearest(name, list(SPACES))}",
        )
    space = SPACES[name]
    network, last_map = _loaded(name).to(device), space.places

    def prepared(images: Tensor) -> Tensor:
        return space.prepared(resized(images, space.size))

    return FeatureMap(
        PREFIX + name,
        lambda images: network(prepared(images)),
        None if last_map is None else lambda images: last_map(network, prepared(images)),
    )


@cache
def _loaded(name: str) -> nn.Module:
    return SPACES[name].network().eval().requires_grad_(False)
