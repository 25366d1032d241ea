"""Small banks and generators of known properties, shared by the tests."""

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
