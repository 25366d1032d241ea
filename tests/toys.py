"""Small banks and generators of known properties, and random numbers by another way, shared by the tests."""

from __future__ import annotations

import numpy as np
from polarprior import Bank, Settings
from polarprior.bank.info import BankInfo


def toy_bank(rows: int, std: float, k: int = 3, num_classes: int | None = None, seed: int = 0) -> Bank:
    """A bank in memory of no model at all, with normal log-volumes of that standard deviation: for tests."""
    stream = np.random.default_rng(seed)
    log_volume = stream.normal(0, std, rows)
    offsets = np.arange(k)[::-1] - (k - 1) / 2
    info = BankInfo(
        plugin="toy",
        plugin_version="0",
        fingerprint="0" * 64,
        prior="normal",
        latent_shape=(4,),
        num_classes=num_classes,
        domain="z",
        space="pixel",
        settings=Settings(),
        k=k,
        estimator={"name": "exact", "tolerance": 0.0, "error": 0.0},
        dtype="float32",
        torch="0",
        licence="",
    )
    tensors = {
        "seeds": np.arange(rows),
        "latent_hash": stream.integers(-(2**63), 2**63, rows),
        "log_singular_values": (log_volume[:, None] / k + offsets).astype(np.float32),
    }
    return Bank.of(info, tensors if num_classes is None else {**tensors, "labels": tensors["seeds"] % num_classes})


def philox(keys: tuple[int, int], counter: int) -> list[int]:
    """Four words of Philox-4x64-10 (Salmon et al. 2011) at counter (`counter`, 0, 0, 0), by its rounds in Python."""
    (one, two), words, mask = keys, [counter, 0, 0, 0], 2**64 - 1
    for _ in range(10):
        a, b = 0xD2E7470EE14C6C93 * words[0], 0xCA5A826395121157 * words[2]
        words = [(b >> 64) ^ words[1] ^ one, b & mask, (a >> 64) ^ words[3] ^ two, a & mask]
        one, two = (one + 0x9E3779B97F4A7C15) & mask, (two + 0xBB67AE8584CAA73B) & mask
    return words
