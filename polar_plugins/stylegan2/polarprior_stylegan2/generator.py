"""A Generator from a style-based network."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from polarprior.plugin import (
    DISCRIMINATOR,
    Generator,
    PolarPriorError,
    Settings,
    Styles,
    UsageError,
    latent_prior,
    use_checkout,
    weights_fingerprint,
)
from torch import Tensor

from polarprior_stylegan2.discriminator import discriminator_of
from polarprior_stylegan2.pickles import load_networks
from polarprior_stylegan2.repos import STYLEGAN2_ADA, STYLEGAN3


class Kind(NamedTuple):
    """A kind of network: the plugin that serves it, whether it has noise inputs, what its synthesis network alone
    has, and the repositories that can open it, the one it comes from first."""

    plugin: str
    has_noise: bool
    mark: str
    repos: tuple[Any, ...]


KINDS = {
    "stylegan2": Kind("stylegan2", True, "block_resolutions", (STYLEGAN2_ADA, STYLEGAN3)),
    "stylegan3": Kind("stylegan3", False, "layer_names", (STYLEGAN3,)),
}


def load(plugin: str, source: str | None, device: torch.device, settings: Settings) -> Generator:
    """The generator of a network pickle; see the hook `load_generator`.

    Raises:
        UsageError: no source, or a setting that the network doesn't have.
        PolarPriorError: no checkout, no file, no network pickle, or a network of another kind.
    """
    kind = KINDS[plugin]
    use_checkout(kind.repos)
    network, critic = load_networks(plugin, source)
    found = kind_of(network)
    if found is not kind:
        other = f"one of {found.plugin}" if found else f"a {type(network).__name__} without mapping and synthesis"
        raise PolarPriorError(
            f"model: {source} holds no network of {plugin}, but {other}",
            f"use {found.plugin}:{source}" if found else "name the pickle of a generator",
        )
    return generator_of(network.eval().requires_grad_(False), settings, critic).on(device)


def kind_of(network: Any) -> Kind | None:
    """The kind of a network, None where it is none of `KINDS`."""
    synthesis = getattr(network, "synthesis", None)
    if not hasattr(network, "mapping"):
        return None
    return next((kind for kind in KINDS.values() if hasattr(synthesis, kind.mark)), None)


def generator_of(network: Any, asked: Settings, critic: Any = None) -> Generator:
    """A Generator from a loaded network of one of `KINDS`, on the CPU.

    Args:
        network: stock module with ``mapping`` and ``synthesis``.
        asked: truncation psi (1 where None) and, where the network has noise inputs, the noise mode (const where
            None).
        critic: the pickle's discriminator, where it holds one.

    Raises:
        UsageError: a setting that the network doesn't have, or random noise.
    """
    kind = kind_of(network)
    if kind is None:
        raise TypeError(f"{type(network).__name__} is no style-based generator")
    settings = _settings(asked, kind)
    discriminator = discriminator_of(critic)
    styles = Styles(
        lambda z, label: styles_of(network, z, label, settings.trunc), lambda w: images_of(network, w, settings)
    )
    return Generator(
        plugin=kind.plugin,
        version=version(f"polarprior-{kind.plugin}"),
        prior=latent_prior("normal", network.z_dim),
        synthesize=lambda z, label: styles.images(styles.of(z, label)),
        fingerprint=weights_fingerprint(network),
        settings=settings,
        num_classes=network.c_dim or None,
        normalizes_latent=True,
        domains=("z", "w"),
        spaces=("style", *([DISCRIMINATOR] if discriminator else [])),
        discriminator=discriminator,
        styles=styles,
        network=network,
    )


def styles_of(network: Any, z: Tensor, label: Tensor | None, psi: float | None) -> Tensor:
    """The mapping network's output, w [n, w_dim]: one style for all layers, truncated by `psi`."""
    classes = torch.arange(network.c_dim, device=z.device)
    c = z.new_zeros(len(z), 0) if label is None else (label[:, None] == classes).to(z.dtype)
    return network.mapping(z, c, truncation_psi=psi)[:, 0]


def images_of(network: Any, w: Tensor, settings: Settings) -> Tensor:
    """Images [n, C, H, W] of styles w [n, w_dim], in float32 throughout."""
    noise = settings.noise_mode or "const"
    return network.synthesis(w[:, None].repeat(1, network.num_ws, 1), noise_mode=noise, force_fp32=True)


def _settings(asked: Settings, kind: Kind) -> Settings:
    asked.check_only(("trunc", "noise_mode"), kind.plugin)
    if asked.noise_mode is not None and not kind.has_noise:
        raise UsageError(f"noise_mode: networks of {kind.plugin} have no noise inputs", "leave it out")
    if asked.noise_mode not in (None, "const", "none"):
        raise UsageError(
            f"noise_mode: got {asked.noise_mode!r}, expected const or none: random noise has no volume",
            "use noise_mode=const",
        )
    noise = (asked.noise_mode or "const") if kind.has_noise else None
    return Settings(trunc=1.0 if asked.trunc is None else float(asked.trunc), noise_mode=noise)
