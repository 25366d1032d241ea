"""A latent's own random numbers: what makes a draw depend on the stock latent and on nothing else."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def latent_hash(z: Any) -> np.ndarray:
    """A 64-bit hash of each row of z.

    Args:
        z: [n, *shape], a Tensor on any device or an array. Each row is hashed as the little-endian
            float32 bytes of its numbers, in C order.

    Returns:
        int64 [n]: blake2b with an 8-byte digest, read as a little-endian signed integer.

    >>> latent_hash(np.zeros((2, 3))).tolist() == 2 * latent_hash(np.zeros((1, 3))).tolist()
    True
    """
    if hasattr(z, "detach"):
        z = z.detach().float().cpu().numpy()
    rows = np.ascontiguousarray(z, "<f4")
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, "<i8").astype(np.int64)


def uniforms(hashes: np.ndarray, count: int) -> np.ndarray:
    """`count` numbers, uniform on [0, 1), for each hash: float64 [n, count] from int64 [n].

    Row i holds the top 53 bits of the first numbers of the Philox-4x64 stream keyed by hashes[i], which numpy
    keeps the same for good; it depends on nothing else.
    """
    raw = np.empty((len(hashes), count), np.uint64)
    for row, key in zip(raw, hashes.astype(np.uint64), strict=True):
        row[:] = np.random.Philox(key=key).random_raw(count)
    return (raw >> np.uint64(11)) * 2.0**-53
