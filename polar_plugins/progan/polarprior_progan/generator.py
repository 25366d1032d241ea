"""A Generator from a loaded ProGAN of either repository."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any

from polarprior.plugin import (
    DISCRIMINATOR,
    Discriminator,
    Generator,
    Settings,
    UsageError,
    latent_prior,
    weights_fingerprint,
)
from torch import Tensor, nn

from polarprior_progan import NAME


def generator_of(
    network: nn.Module, asked: Settings, normalises: bool, discriminator: Discriminator | None = None
) -> Generator:
    """A Generator from a network in eval mode, on the CPU.

    ProGAN has no truncation. What a setting `trunc` of beta stands for is the control of the paper's supplement, C.2:
    each number of z is normal, given that it is within [-beta, beta]. The seeds are polarprior's own, since the stock
    scripts seed a whole run.

    Args:
        network: z [n, K] to images, or to a mapping with an ``image``.
        asked: a truncation, or none.
        normalises: the network puts z on the sphere first, so that it is the sphere whose image is measured.
        discriminator: the checkpoint's, where it holds one.

    Raises:
        UsageError: a truncation that isn't positive, or another setting.
    """
    asked.check_only(("trunc",), "ProGAN")
    beta = asked.trunc
    if beta is not None and not beta > 0:
        raise UsageError(f"trunc: got {beta:g}, expected a positive support of z", "use such as trunc=2")

    def synthesize(z: Tensor, label: Tensor | None) -> Tensor:
        images = network(z)
        return images["image"] if isinstance(images, dict) else images

    prior = latent_prior("normal" if beta is None else f"truncated-normal:{beta:g}", latent_dim(network))
    return Generator(
        plugin=NAME,
        version=version("polarprior-progan"),
        prior=replace(prior, stock_seeds=False),
        synthesize=synthesize,
        fingerprint=weights_fingerprint(network),
        settings=Settings(trunc=None if beta is None else float(beta)),
        normalizes_latent=normalises,
        spaces=(DISCRIMINATOR,) if discriminator else (),
        discriminator=discriminator,
        network=network,
    )


def latent_dim(network: Any) -> int:
    """K, by the name that either repository has for it."""
    return int(network.z_space_dim if hasattr(network, "z_space_dim") else network.dimLatent)
