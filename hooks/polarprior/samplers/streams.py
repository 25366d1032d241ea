"""The random numbers of streams: each stock latent owns one, which its hash gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

STREAM_KEY = 1 << 64
"""What makes a Philox key of a hash, so that these numbers are not those of `polarprior.hashing.uniforms`."""


class Numbers(NamedTuple):
    """Random numbers of some steps of a stream, all independent: seeds int64 [n], 0 to 2**32 - 1, and uniforms on
    [0, 1), [n, 3] of 53 bits and [n] of 32 bits."""

    seeds: np.ndarray
    u: np.ndarray
    short: np.ndarray


def stream_numbers(key: int, start: int, count: int) -> Numbers:
    """Those of the steps start to start + count of the stream of a latent with the hash `key`.

    Step j is the (j + 1)-th counter of Philox-4x64 with the hash as its key, so it depends on nothing else.
    """
    stream = np.random.Philox(key=STREAM_KEY + key % STREAM_KEY, counter=start)
    raw = stream.random_raw(4 * count).reshape(count, 4)
    high, low = raw[:, 0] >> np.uint64(32), raw[:, 0] & np.uint64(2**32 - 1)
    return Numbers(high.astype(np.int64), (raw[:, 1:] >> np.uint64(11)) * 2.0**-53, low * 2.0**-32)
