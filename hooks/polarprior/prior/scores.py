"""Log-volumes of given seeds, and where they lie among the prior's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.generator import Generator, Latents
from polarprior.prior.log_volumes import LogVolumes, VolumeSolver
from polarprior.volume.estimators import default_estimator

K = 30
BATCH = 16


@dataclass(frozen=True)
class Score:
    """One seed.

    Attributes:
        seed: the stock seed.
        label: its class, or None.
        log_volume: l_k, nats.
        quantile: share of the bank's rows (of the class) with a lower log-volume; None without a bank.
    """

    seed: int
    label: int | None
    log_volume: float
    quantile: float | None


def scores(
    generator: Generator,
    seeds: Sequence[int],
    label: int | None = None,
    bank: Bank | None = None,
    k: int | None = None,
    space: str = "pixel",
) -> Iterator[Score]:
    """Score stock seeds, `BATCH` at a time.

    Args:
        generator: the model.
        seeds: stock seeds, [n].
        label: the class, where the model has classes.
        bank: of the model; it says where volume is measured, and its rows are known already.
        k: singular values; all of the bank's, or without one `K`, as far as the model has them.
        space: where volume is measured, without a bank.
    """
    solve: Callable[[Latents], np.ndarray]
    known = np.empty(0)
    if bank is None:
        k = min(K, generator.rank_bound) if k is None else k
        solve = VolumeSolver(generator, k, space, "z", default_estimator(generator.prior.dim, k, len(seeds)))
    else:
        k = bank.info.k if k is None else k
        known = np.sort(bank.log_volume(k)[bank.rows_of(label)])
        solve = LogVolumes(generator, bank, k)
    for start in range(0, len(seeds), BATCH):
        batch = seeds[start : start + BATCH]
        volumes = solve(generator.prior.draw(batch, label))
        below = np.searchsorted(known, volumes)
        for seed, volume, rank in zip(batch, volumes.tolist(), below.tolist(), strict=True):
            yield Score(seed, label, volume, rank / len(known) if len(known) else None)
