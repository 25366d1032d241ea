"""Log-volumes of given seeds, and where they lie among the prior's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.generator import Generator, Latents
from polarprior.jacobian.of_generator import JacobianOf
from polarprior.samplers.true_volumes import LogVolumes, VolumeSolver
from polarprior.volume.descriptors import effective_rank, local_rank
from polarprior.volume.estimators import default_estimator

K = 30
BATCH = 16
RANKS = {"local-rank": local_rank, "effective-rank": effective_rank}
"""What a spectrum says of a latent besides its log-volume, by name."""


def solver_of(
    generator: Generator, bank: Bank | None, k: int | None, space: str, count: int, jacobian_of: JacobianOf
) -> LogVolumes | VolumeSolver:
    """What takes l_k of latents, nats: with a bank where it measures volume, its own rows not solved again.

    Args:
        generator, jacobian_of: the model, and what gives its Jacobians.
        bank: of the model, or None.
        k: singular values; all of the bank's, or without one `K`, as far as the model has them.
        space: where volume is measured, without a bank.
        count: latents that will be asked for, which an estimator may be worth calibrating for.
    """
    if bank is not None:
        return LogVolumes(generator, bank, bank.info.k if k is None else k, jacobian_of)
    k = min(K, generator.rank_bound) if k is None else k
    estimator = default_estimator(generator.prior.dim, k, count)
    return VolumeSolver(generator, jacobian_of(generator, space), k, estimator)


def volumes_of(
    generator: Generator,
    latents: Latents,
    bank: Bank | None,
    k: int | None,
    space: str,
    *,
    jacobian_of: JacobianOf,
) -> np.ndarray:
    """l_k of latents, float64 [n], nats, `BATCH` at a time; the arguments are those of `solver_of`."""
    solve = solver_of(generator, bank, k, space, len(latents), jacobian_of)
    batches = [latents[start : start + BATCH] for start in range(0, len(latents), BATCH)]
    return np.concatenate([solve(batch) for batch in batches])


class Ranking:
    """Log-volumes of latents, and where they lie among the prior's.

    Args:
        generator: the model.
        count: latents that will be asked for, which an estimator may be worth calibrating for.
        label: the class, where the model has classes.
        bank: of the model; it says where volume is measured, and its rows are known already.
        k: singular values; all of the bank's, or without one `K`, as far as the model has them.
        space: where volume is measured, without a bank.
        jacobian_of: gives the model's Jacobians.
    """

    def __init__(
        self,
        generator: Generator,
        count: int,
        label: int | None = None,
        bank: Bank | None = None,
        k: int | None = None,
        space: str = "pixel",
        *,
        jacobian_of: JacobianOf,
    ):
        self._known = np.empty(0) if bank is None else np.sort(bank.log_volume(k)[bank.rows_of(label)])
        self._solve = solver_of(generator, bank, k, space, count, jacobian_of)

    def __call__(self, latents: Latents) -> list[tuple[float, float | None]]:
        """l_k of each latent, nats, and the share of the bank's rows (of the class) with a lower one; None without a
        bank."""
        volumes = self._solve(latents)
        below = np.searchsorted(self._known, volumes)
        return [
            (volume, rank / len(self._known) if len(self._known) else None)
            for volume, rank in zip(volumes.tolist(), below.tolist(), strict=True)
        ]

    def ranks(self, latents: Latents, names: Sequence[str]) -> list[dict[str, float]]:
        """Other numbers of each latent's spectrum, by their names in `RANKS`; before a call, which solves no more."""
        log_sigma = self._solve.spectra(latents)
        columns = {name: RANKS[name](log_sigma).tolist() for name in names}
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@dataclass(frozen=True)
class Score:
    """One seed.

    Attributes:
        seed: the stock seed.
        label: its class, or None.
        log_volume, quantile: see `Ranking`.
        ranks: other numbers of its spectrum, those that were asked for, by their names in `RANKS`.
    """

    seed: int
    label: int | None
    log_volume: float
    quantile: float | None
    ranks: dict[str, float] = field(default_factory=dict)


def scores(
    generator: Generator,
    seeds: Sequence[int],
    label: int | None = None,
    bank: Bank | None = None,
    k: int | None = None,
    space: str = "pixel",
    ranks: Sequence[str] = (),
    *,
    jacobian_of: JacobianOf,
) -> Iterator[Score]:
    """Score stock seeds [n], `BATCH` at a time; `ranks` are some of `RANKS`, the others as `Ranking` takes them."""
    rank = Ranking(generator, len(seeds), label, bank, k, space, jacobian_of=jacobian_of)
    for start in range(0, len(seeds), BATCH):
        batch = seeds[start : start + BATCH]
        latents = generator.prior.draw(batch, label)
        others = rank.ranks(latents, ranks) if ranks else [{} for _ in batch]
        for seed, found, more in zip(batch, rank(latents), others, strict=True):
            yield Score(seed, label, *found, more)
