"""Opens network pickles with the classes of a stock checkout."""

from __future__ import annotations

import pickle
import re
from typing import Any, NamedTuple

from polarprior.plugin import (
    PolarPriorError,
    UsageError,
    checkpoint_file,
    refusing,
    warn_of_pickle,
)

NETWORK, ENCODER = "ema", "encoder"
PIXELS = "StandardRGBEncoder"
"""The stock encoder whose images are what the network gives."""
_BEHIND_PICKLE = re.compile(r"(?<=\.pkl)\+")


class Networks(NamedTuple):
    """The networks of a source, torch modules: the denoiser, and what guides it or None."""

    denoiser: Any
    guide: Any


def load_networks(plugin: str, source: str | None) -> Networks:
    """The networks of ``FILE.pkl``, or with what guides it of ``FILE.pkl+GNET.pkl``.

    Args:
        plugin: its name, for messages; EDM has no guidance.
        source: files, or URLs that the stock code fetches and keeps.

    Raises:
        UsageError: no source, or a second file where there is no guidance.
        PolarPriorError: no such file, or no pickle of a denoiser of images.
    """
    names = _BEHIND_PICKLE.split(source or "", maxsplit=1)
    if len(names) == 2 and plugin == "edm":
        raise UsageError(f"model: {plugin} has no guidance, got {source}", f"use {plugin}:{names[0]}")
    found = [_network(plugin, name or None, len(names) == 1) for name in names]
    return Networks(found[0], found[1] if len(names) == 2 else None)


def check_images(network: Any, encoder: Any = None) -> None:
    """Raise PolarPriorError where images are made of what the network gives by a decoder."""
    kind = type(encoder).__name__
    if network.img_channels not in (1, 3) or (encoder is not None and kind != PIXELS):
        by = kind if encoder is not None else f"a decoder of {network.img_channels} channels"
        raise PolarPriorError(
            f"model: its images are made by {by} from what the network gives, and volume is that of images",
            "use a network of pixels, such as edm2-img64-s",
        )


def _network(plugin: str, source: str | None, can_be_pinned: bool) -> Any:
    hint = f"name the network pickle, such as {plugin}:cifar10.pkl, as the stock training writes it"
    remote = re.match(r"[a-z]+://", source or "") is not None
    if not remote:
        checkpoint_file(plugin, source, hint)
    warn_of_pickle(source or "", can_be_pinned)
    import dnnlib  # of the checkout

    with refusing(f"model: {source} holds no network of {plugin} that can be opened", hint):
        with dnnlib.util.open_url(source, verbose=False) as file:
            content = pickle.load(file)
        network = content[NETWORK]
        for name in ("img_channels", "img_resolution", "label_dim", *(["round_sigma"] if plugin == "edm" else [])):
            getattr(network, name)
        check_images(network, content.get(ENCODER))
    return network.eval().requires_grad_(False)
