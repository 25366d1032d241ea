"""A Generator from a model of the zoo."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
from polarprior.plugin import (
    Generator,
    LatentPrior,
    Settings,
    Styles,
    UsageError,
    latent_prior,
    nearest,
    weights_fingerprint,
)
from torch import Tensor, nn

from polarprior_mnist import NAME, ONE_STEP, __version__
from polarprior_mnist.judges import Discriminator
from polarprior_mnist.zoo import LATENT_DIM, MODELS, with_weights


def load(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """The generator; see the hook `load_generator`.

    ``trunc`` is psi for ``style`` (1 where None) and the bound of each number of z for ``classes`` (none where None);
    ``temperature`` scales the noise of ``coloured`` (1 where None).
    """
    if source not in MODELS:
        known = [*MODELS, ONE_STEP]
        raise UsageError(
            f"model: got {NAME}:{source or ''}, expected one of {', '.join(known)}",
            f"use {NAME}:{nearest(source or '', known)}",
        )
    model = MODELS[source]
    settings.check_only(model.settings, f"{NAME}:{source}")
    if source == "style":
        settings = Settings(trunc=1.0 if settings.trunc is None else float(settings.trunc))
    temperature = 1.0 if settings.temperature is None else float(settings.temperature)
    if source == "coloured":
        settings = Settings(temperature=temperature)
    network: Any = with_weights(source, model.network())

    def images(z: Tensor, label: Tensor | None) -> Tensor:
        if source == "style":
            return network(z, settings.trunc)
        if source == "coloured":
            return network(temperature * z)
        return network(z) if label is None else network(z, label)

    styles = Styles(lambda z, label: network.mapping(z, settings.trunc), lambda w: network.synthesis(w))
    return Generator(
        plugin=NAME,
        version=__version__,
        prior=_prior(source, settings),
        synthesize=images,
        fingerprint=weights_fingerprint(network),
        settings=settings,
        num_classes=len(model.class_names) or None,
        class_names=model.class_names,
        normalizes_latent=model.normalizes_latent,
        domains=("z", "w") if source == "style" else ("z",),
        classifier="classifier",
        spaces=("classifier", "encoder", *(["style"] if source == "style" else [])),
        discriminator=partial(_judged, source),
        styles=styles if source == "style" else None,
        licence="Apache-2.0 (trained here, on MNIST)",
        network=network,
    ).on(device)


def _judged(name: str, images: Tensor, label: Tensor | None = None) -> Tensor:
    """Logits [n] of what was trained to tell the images of the finished model from real ones."""
    return _discriminator(name).to(images.device)(images, label)


@cache
def _discriminator(name: str) -> nn.Module:
    model = MODELS[name]
    return with_weights(f"discriminator-{name}", Discriminator(model.channels, len(model.class_names) or None))


def _prior(source: str, settings: Settings) -> LatentPrior:
    if source == "classes" and settings.trunc is not None:
        return latent_prior(f"truncated-normal:{settings.trunc}", LATENT_DIM)
    return latent_prior("normal", LATENT_DIM)
