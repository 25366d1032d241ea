"""Draws without replacement, one after another: the law of what is kept of some candidates."""

from __future__ import annotations

import numpy as np

GUMBEL_KEY = 2 << 64
"""What makes a Philox key of a hash, so that these numbers are no sampler's."""


def drawn_order(log_weights: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """The order in which candidates are drawn without replacement: each time one of those left, with probabilities as
    their weights (Plackett 1975, Luce 1959), by adding a Gumbel number to each log-weight and sorting (Gumbel top-k;
    Kool, van Hoof, Welling 2019).

    A candidate's Gumbel number comes from its hash alone. So the first 4 drawn are the same whether 4 are kept or 8,
    and another candidate more changes nothing but where that one comes.

    Args:
        log_weights: [M], up to a constant; -inf is never drawn, and stands last.
        hashes: of the candidates' latents, int64 [M].

    Returns:
        Places in `log_weights`, int64 [M].
    """
    keys = log_weights + gumbels(hashes)
    order: np.ndarray = np.argsort(-keys, kind="stable")
    return order


def gumbels(hashes: np.ndarray) -> np.ndarray:
    """A standard Gumbel number for each hash: float64 [n] from int64 [n]."""
    raw = [np.random.Philox(key=GUMBEL_KEY + int(key)).random_raw() for key in hashes.astype(np.uint64)]
    uniform = (np.array(raw, np.uint64) >> np.uint64(12)) * 2.0**-52 + 2.0**-53  # neither 0 nor 1
    found: np.ndarray = -np.log(-np.log(uniform))
    return found
