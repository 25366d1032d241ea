"""A Generator from a network of R3GAN: residual blocks on a basis that is linear in z."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import torch
from polarprior.plugin import (
    DISCRIMINATOR,
    Discriminator,
    Generator,
    JacobianFn,
    Latents,
    LinearMap,
    Settings,
    latent_prior,
    traced_jacobian_fn,
    weights_fingerprint,
)
from polarprior_stylegan2.operators import plain_operators, replaced
from torch import Tensor

from polarprior_stylegan_forks.classes import one_hot

RELATIVISTIC = "relativistic"
"""The loss: it compares logits of real images and generated ones in pairs, so that they are no log-ratios."""


def r3gan_generator(network: Any, asked: Settings, critic: Any = None) -> Generator | None:
    """The generator, on the CPU; None where the network is no such one.

    Args:
        network: stock module.
        asked: nothing can be chosen.
        critic: the pickle's discriminator, where it holds one.

    Raises:
        UsageError: a setting.
    """
    if not _is_one(network) or not hasattr(network, "z_dim"):
        return None
    asked.check_only((), "r3gan")
    discriminator = _discriminator_of(critic)

    def images(z: Tensor, label: Tensor | None) -> Tensor:
        with in_float32(network):
            return network(z, one_hot(label, network.c_dim, z))

    return Generator(
        plugin="r3gan",
        version=version("polarprior-stylegan-forks"),
        prior=latent_prior("normal", network.z_dim),
        synthesize=images,
        fingerprint=weights_fingerprint(network),
        num_classes=network.c_dim or None,
        spaces=(DISCRIMINATOR,) if discriminator else (),
        discriminator=discriminator,
        network=network,
    )


@contextmanager
def in_float32(network: Any) -> Iterator[None]:
    """Inside, all stages compute in float32, most are in bfloat16 otherwise, and operators can be differentiated
    forwards."""
    with ExitStack() as stack:
        stack.enter_context(plain_operators())
        for stage in network.Model.MainLayers:
            stack.enter_context(replaced(vars(stage), "DataType", torch.float32))
        yield


def r3gan_jacobian_fn(generator: Generator) -> JacobianFn:
    """z to the Jacobian of the images, which knows from the first layer where to start.

    That layer is z to b_c (W z)_c, with b_c a basis of 4 x 4 for each channel c. So what it stretches most are, at
    every z, the top right-singular vectors of diag(|b_c|) W.
    """
    network: Any = generator.network
    traced = traced_jacobian_fn(generator, lambda z, *label: generator.synthesize(z, *label or (None,)))

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        found = traced(latents)

        def start(m: int) -> Tensor:
            first = network.Model.MainLayers[0].Layers[0]
            scaled = first.LinearLayer.weight[:, : network.z_dim] * first.Basis.flatten(1).norm(dim=1)[:, None]
            top = torch.linalg.eigh(scaled.mT @ scaled).eigenvectors.flip(1)[:, :m]
            return top.to(found.value).expand(len(found), -1, -1)

        return replace(found, start=start)

    return jacobian


def _is_one(network: Any) -> bool:
    return hasattr(getattr(network, "Model", None), "MainLayers")


def _discriminator_of(network: Any) -> Discriminator | None:
    if not _is_one(network):
        return None
    embedding = getattr(network.Model, "EmbeddingLayer", None)
    num_classes = 0 if embedding is None else embedding.in_features

    def judge(network: Any, image: Tensor, label: Tensor | None) -> Tensor:
        with in_float32(network):
            return network(image, one_hot(label, num_classes, image))

    return Discriminator(
        lambda: network, judge, lambda network: network.Model.MainLayers[-1].Layers[-1].LinearLayer, RELATIVISTIC
    )
