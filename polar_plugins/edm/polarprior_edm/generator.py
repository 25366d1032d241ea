"""A Generator from a denoiser: the noise that the stock sampler begins with to the image at which it ends."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from polarprior.plugin import Generator, Settings, StockRepo, UsageError, use_checkout, weights_fingerprint

from polarprior_edm.denoiser import Denoiser, make_differentiable
from polarprior_edm.noise import noise_prior
from polarprior_edm.pickles import load_networks
from polarprior_edm.repos import EDM, EDM2
from polarprior_edm.sampling import chain_of
from polarprior_edm.settings import in_force


class Kind(NamedTuple):
    """A kind of model: the repository that can open it, and in what its sampler keeps noise levels."""

    repo: StockRepo
    levels: torch.dtype


KINDS = {"edm": Kind(EDM, torch.float64), "edm2": Kind(EDM2, torch.float32)}
"""By plugin."""


class NoiseGenerator(Generator):
    """A generator whose latents are drawn where it is."""

    def on(self, device: torch.device | str) -> Generator:
        """The same generator on `device`, which draws other latents for a seed than another device."""
        moved = super().on(device)
        return replace(moved, prior=noise_prior(self.prior.shape, moved.device))


def load(plugin: str, source: str | None, settings: Settings) -> Generator:
    """The generator of a source, on the CPU; see the hook `load_generator`.

    Raises:
        UsageError: no source, or settings that the model doesn't have.
        PolarPriorError: no checkout, no file, or no pickle of a denoiser of images.
    """
    use_checkout([KINDS[plugin].repo])
    networks = load_networks(plugin, source)
    for network in networks:
        if network is not None:
            make_differentiable(network)
    return generator_of(plugin, networks.denoiser, networks.guide, settings)


def generator_of(plugin: str, network: Any, guide: Any, asked: Settings) -> Generator:
    """A Generator from stock modules, on the CPU.

    Args:
        plugin: its name.
        network: the denoiser.
        guide: what guides it, or None.
        asked: settings; the script's own where they aren't there.

    Raises:
        UsageError: settings that the model doesn't have, guidance with nothing to guide, or the other way round.
    """
    settings = in_force(plugin, network, asked)
    strength = dict(settings.own).get("guidance", 1.0)
    _check_guidance(network, guide, strength)
    denoiser = Denoiser(network, guide, float(strength))
    chain = chain_of(denoiser, settings, KINDS[plugin].levels)
    shape = (network.img_channels, network.img_resolution, network.img_resolution)
    return NoiseGenerator(
        plugin=plugin,
        version=version("polarprior-edm"),
        prior=noise_prior(shape, torch.device("cpu")),
        synthesize=lambda z, label: chain(z, *([] if label is None else [label])),
        fingerprint=weights_fingerprint(denoiser),
        settings=settings,
        num_classes=network.label_dim or None,
        network=denoiser,
        evaluations=len(chain),
    )


def _check_guidance(network: Any, guide: Any, strength: Any) -> None:
    if guide is None and strength != 1:
        raise UsageError(
            f"guidance: got {strength:g}, and the model has nothing that guides it",
            "name that as well: edm2:FILE.pkl+GNET.pkl",
        )
    if guide is not None and strength == 1:
        raise UsageError(
            "guidance: got 1, at which what guides the model changes nothing",
            "use such as guidance=1.4, or name the first file alone",
        )
    if guide is not None and (guide.img_resolution, guide.img_channels) != (
        network.img_resolution,
        network.img_channels,
    ):
        raise UsageError(
            f"model: it has {network.img_resolution} pixels, and what guides it {guide.img_resolution}",
            "name one of the same size",
        )
