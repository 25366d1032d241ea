"""A Generator from a network of stylegan-xl: a StyleGAN3 whose classes have average styles of their own."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from polarprior.plugin import (
    Generator,
    JacobianFn,
    Settings,
    latent_prior,
    style_jacobian_fn,
    weights_fingerprint,
)
from polarprior_stylegan2.generator import images_of
from polarprior_stylegan3.operators import unfused_operators
from torch import Tensor

from polarprior_stylegan_forks.classes import one_hot


def xl_generator(network: Any, asked: Settings, critic: Any = None) -> Generator | None:
    """The generator, on the CPU; None where the network is no such one. Of its discriminator nothing is made: see
    `polarprior_stylegan_forks.spaces`.

    Args:
        network: stock module, of any number of superresolution stages.
        asked: truncation psi, 1 where None.
        critic: the pickle's discriminator.

    Raises:
        UsageError: a setting that the network doesn't have.
    """
    own = hasattr(getattr(network, "synthesis", None), "layer_names")
    if not own or not hasattr(getattr(network, "mapping", None), "embed_proj"):
        return None
    asked.check_only(("trunc",), "stylegan-xl")
    settings = Settings(trunc=1.0 if asked.trunc is None else float(asked.trunc))
    return Generator(
        plugin="stylegan-xl",
        version=version("polarprior-stylegan-forks"),
        prior=latent_prior("normal", network.z_dim),
        synthesize=lambda z, label: images_of(network, styles_of(network, z, label, settings), settings),
        fingerprint=weights_fingerprint(network),
        settings=settings,
        num_classes=network.c_dim or None,
        normalizes_latent=True,
        domains=("z", "w"),
        spaces=("style",),
        network=network,
    )


def styles_of(network: Any, z: Tensor, label: Tensor | None, settings: Settings) -> Tensor:
    """w [n, w_dim], one style for all layers: a + psi (f(z) - a), with a the average style of the row's class, or of
    all where there are no classes.

    The stock script computes this itself, at psi 1 as well, and gives the mapping network no psi; that would loop
    over rows.
    """
    w = network.mapping(z, one_hot(label, network.c_dim, z))[:, 0]
    average = network.mapping.w_avg if label is None else network.mapping.w_avg[label]
    return average + (w - average) * settings.trunc


def xl_jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """`polarprior.plugin.style_jacobian_fn` of the network, with modulated convolutions that are not fused."""
    network, settings = generator.network, generator.settings

    def styles(z: Tensor, *label: Tensor) -> Tensor:
        with unfused_operators(network):
            return styles_of(network, z, label[0] if label else None, settings)

    def images(w: Tensor) -> Tensor:
        with unfused_operators(network):
            return images_of(network, w, settings)

    return style_jacobian_fn(generator, space, domain, styles, images)
