"""Opens network pickles through the stock repository's own loader."""

from __future__ import annotations

import re
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from polarprior.plugin import PolarPriorError, RunsCodeWarning, UsageError, sha256_of, warn

NETWORK = "G_ema"
_EXAMPLE = "name the network pickle, such as {plugin}:ffhq.pkl"


def load_network(plugin: str, source: str | None) -> Any:
    """The generator with averaged weights of a network pickle, a torch module, by ``legacy.load_network_pkl``.

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
    if parent_process() is None:
        digest = "" if remote else f" (this one's sha256 is {sha256_of(Path(source))})"
        pin = "" if remote else "; sha256=HEX pins one that you trust"
        warn(f"{source} is a pickle, and opening it runs the code it holds{digest}{pin}", RunsCodeWarning)
    import dnnlib  # of the checkout
    import legacy

    try:
        with dnnlib.util.open_url(source, verbose=False) as file:
            return legacy.load_network_pkl(file)[NETWORK]
    except Exception as error:  # a pickle can raise anything
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise PolarPriorError(
            f"model: {source} is no network pickle that the stock loader can open: {reason}",
            _EXAMPLE.format(plugin=plugin) + ", as train.py writes it",
        ) from error
