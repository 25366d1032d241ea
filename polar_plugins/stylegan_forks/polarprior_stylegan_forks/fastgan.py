"""FastGAN networks of projected-gan: no mapping network, and noise that is drawn anew for each image."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

from polarprior.plugin import Generator, Settings, latent_prior, weights_fingerprint
from torch import Tensor
from torch.nn.utils import remove_spectral_norm

from polarprior_stylegan_forks.classes import one_hot


def is_fastgan(network: Any) -> bool:
    """Whether a network is one, by a layer that its synthesis network alone has."""
    return hasattr(getattr(network, "synthesis", None), "feat_8")


def draws_noise(network: Any) -> bool:
    """Whether the noise that its layers draw changes its images: the lite networks have none."""
    return any(bool(layer.weight != 0) for layer in _noise_layers(network))


def fastgan_generator(network: Any, asked: Settings) -> Generator:
    """A Generator from a FastGAN, on the CPU: without noise, which has no seed and so no volume.

    Args:
        network: stock module.
        asked: nothing can be chosen; its truncation and noise mode do nothing in the stock script.

    Raises:
        UsageError: a setting.
    """
    asked.check_only((), "a FastGAN of projected-gan")
    fingerprint, network = weights_fingerprint(network), with_plain_weights(network)

    def images(z: Tensor, label: Tensor | None) -> Tensor:
        with without_noise(network):
            return network(z, one_hot(label, network.c_dim, z))

    return Generator(
        plugin="projected-gan",
        version=version("polarprior-stylegan-forks"),
        prior=latent_prior("normal", network.z_dim),
        synthesize=images,
        fingerprint=fingerprint,
        num_classes=network.c_dim or None,
        normalizes_latent=True,
        network=network,
    )


def with_plain_weights(network: Any) -> Any:
    """A copy whose weights are what spectral norm makes of them, to the last bit.

    The stock layers compute them anew in each pass, and keep what the last one made: after a pass that is
    differentiated, a network that can be neither copied nor stored.
    """
    network = copy.deepcopy(network)
    for layer in network.modules():
        if hasattr(layer, "weight_orig"):
            remove_spectral_norm(layer)
    return network.requires_grad_(False)


@contextmanager
def without_noise(network: Any) -> Iterator[None]:
    """Inside, the layers of a FastGAN add zero in place of noise, and draw none."""
    hooks = [layer.register_forward_pre_hook(_given_zero) for layer in _noise_layers(network)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _given_zero(layer: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return given[0], given[0].new_zeros(())


def _noise_layers(network: Any) -> list[Any]:
    return [layer for layer in network.modules() if type(layer).__name__ == "NoiseInjection"]
