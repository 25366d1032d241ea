"""Opens network pickles through the stock repository's own loader."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from polarprior.plugin import PolarPriorError, UsageError, warn_of_pickle

NETWORK, CRITIC = "G_ema", "D"
_EXAMPLE = "name the network pickle, such as {plugin}:ffhq.pkl"


class Networks(NamedTuple):
    """The networks of a pickle, torch modules: the generator with averaged weights, the discriminator or None."""

    generator: Any
    discriminator: Any


def load_networks(plugin: str, source: str | None) -> Networks:
    """The networks of a pickle, by ``legacy.load_network_pkl``.

    Args:
        plugin: its name, for messages.
        source: a file, or a URL that the stock code fetches and keeps. TensorFlow pickles are converted.

    Raises:
        UsageError: no source.
        PolarPriorError: no such file, or not a network pickle.
    """
    if source is None:
        raise UsageError(f"model: got {plugin}, expected {plugin}:FILE", _EXAMPLE.format(plugin=plugin))
    remote = re.match(r"[a-z]+://", source) is not None
    if not remote and not Path(source).is_file():
        raise PolarPriorError(f"model: no file {source}", _EXAMPLE.format(plugin=plugin))
    warn_of_pickle(source)
    import dnnlib  # of the checkout
    import legacy

    try:
        with dnnlib.util.open_url(source, verbose=False) as file:
            content = legacy.load_network_pkl(file)
            return Networks(content[NETWORK], content.get(CRITIC))
    except Exception as error:  # a pickle can raise anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise PolarPriorError(
            f"model: {source} is no network pickle that the stock loader can open: {reason}",
            _EXAMPLE.format(plugin=plugin) + ", as train.py writes it",
        ) from error
