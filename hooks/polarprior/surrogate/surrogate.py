"""The surrogate of the log-volume: fitted once on a bank, frozen, and named by its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.bank.cache import forms
from polarprior.errors import BankError
from polarprior.generator import Generator, Latents
from polarprior.surrogate import ridge
from polarprior.surrogate.features import Features, FeaturesOf

CALIBRATED = 2000
"""Rows of a bank that it is fitted on, at most."""
MORE = 2000
"""Further latents, at most; the last of them."""
FEWEST_ROWS = 100
BATCH = 32


@dataclass(frozen=True, eq=False)
class Surrogate:
    """l_k predicted by ridge regression on `Features`: channel activity, scalars, and products of scalars.

    Attributes:
        scalar_centre, scalar_scale: [S], to standardise the scalars with.
        centre, slope, level: of the fit, see `polarprior.surrogate.ridge.Ridge`.
        left_out: [n], what each of the first n rows of the bank is predicted as by a fit without it.
    """

    scalar_centre: np.ndarray
    scalar_scale: np.ndarray
    centre: np.ndarray
    slope: np.ndarray
    level: float
    left_out: np.ndarray

    @classmethod
    def fit(
        cls, generator: Generator, bank: Bank, k: int, extra: tuple[Latents, np.ndarray] | None = None
    ) -> Surrogate:
        """Fit on the first `CALIBRATED` rows of a bank.

        Args:
            generator: the bank's model.
            bank: of latents from the prior.
            k: singular values in the log-volume.
            extra: more latents with their l_k, [m]; they need not come from the prior.

        Raises:
            BankError: too few rows of full rank.
        """
        from tqdm import tqdm

        log_volume = bank.log_volume(k)[:CALIBRATED]
        n = len(log_volume)
        usable = np.isfinite(log_volume)
        if usable.sum() < FEWEST_ROWS:
            raise BankError(
                f"bank: {usable.sum()} latents of full rank, calibration takes {FEWEST_ROWS} at least",
                "build a larger bank, such as n=1000",
            )
        latents = generator.prior.draw(bank.seeds[:n], None if bank.labels is None else bank.labels[:n])
        features_of = FeaturesOf(generator)
        batches = [latents[i : i + BATCH] for i in range(0, n, BATCH)]
        if extra is not None:
            extra = extra[0][-MORE:], extra[1][-MORE:]
            batches += [extra[0][i : i + BATCH] for i in range(0, len(extra[0]), BATCH)]
        shown = tqdm(batches, "surrogate", unit="batch", delay=2, leave=False)
        parts = [each[:2] for each in map(features_of, shown)]
        activity, scalars = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        targets = log_volume if extra is None else np.concatenate([log_volume, extra[1]])
        used = np.isfinite(targets)
        scalar_centre, scalar_scale = scalars.mean(0), scalars.std(0)
        scalar_scale[scalar_scale < 1e-9] = 1.0
        found = ridge.fit(_columns(activity, (scalars - scalar_centre) / scalar_scale)[used], targets[used])
        left_out = np.full(n, found.level)
        left_out[usable] = found.left_out[: usable.sum()]
        return cls(scalar_centre, scalar_scale, found.centre, found.slope, found.level, left_out)

    def __call__(self, features: Features) -> np.ndarray:
        """l_k as predicted, float64 [n]."""
        fitted = (len(self.scalar_centre), len(self.centre))
        scalars, activity = features.scalars.shape[1], features.activity.shape[1]
        if fitted != (scalars, activity + scalars + scalars * (scalars + 1) // 2):
            raise BankError(
                "surrogate: it was fitted on other features than the model now has",
                "fit it anew: polarprior bank refit BANK --model MODEL",
            )
        columns = _columns(features.activity, (features.scalars - self.scalar_centre) / self.scalar_scale)
        return self.level + (columns - self.centre) @ self.slope

    def residual(self, log_volume: np.ndarray) -> np.ndarray:
        """Left-one-out errors on the bank's first rows of full rank, nats: float64 [n], from its log-volumes [N]."""
        there = log_volume[: len(self.left_out)]
        return (there - self.left_out)[np.isfinite(there)]

    def r2(self, log_volume: np.ndarray) -> float:
        """Share of the variance of l_k that it explains, by these errors."""
        there = log_volume[: len(self.left_out)]
        variance = float(there[np.isfinite(there)].var())
        return 1 - float(self.residual(log_volume).var()) / variance if variance else 0.0

    @cached_property
    def digest(self) -> str:
        """sha256 of all of it, as hex: what it is called in metadata.

        It is taken over little-endian float64: how many scalars, columns and rows left out there are, the level, and
        then the other arrays in the order of the class.
        """
        sizes = [len(self.scalar_centre), len(self.centre), len(self.left_out), self.level]
        parts = (self.scalar_centre, self.scalar_scale, self.centre, self.slope, self.left_out)
        return hashlib.sha256(np.concatenate([sizes, *parts]).astype("<f8").tobytes()).hexdigest()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """All of it by the names of the class: float64 [S], [S], [F], [F], [] (`level`) and [n]."""
        return {field.name: np.asarray(getattr(self, field.name), np.float64) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Surrogate:
        """The inverse of `to_arrays`; ValueError where names, dtypes or shapes are others."""
        scalars, columns, rows = (np.size(arrays.get(name, ())) for name in ("scalar_centre", "centre", "left_out"))
        shapes = ((scalars,), (scalars,), (columns,), (columns,), (), (rows,))
        expected = {each.name: (shape, np.dtype(float)) for each, shape in zip(fields(cls), shapes, strict=True)}
        if forms(arrays) != expected:
            raise ValueError(f"surrogate: got {forms(arrays)}, expected {expected}")
        parts: dict[str, Any] = {**arrays, "level": float(arrays["level"])}
        return cls(**parts)


def surrogate_of(generator: Generator, bank: Bank, k: int) -> Surrogate:
    """The surrogate that is frozen in the bank's cache; fitted on the bank, and frozen, the first time."""
    kept = bank.recall(f"surrogate-k{k}")
    if kept is not None:
        with suppress(ValueError):
            return Surrogate.from_arrays(kept)
    surrogate = Surrogate.fit(generator, bank, k)
    freeze(surrogate, bank, k)
    return surrogate


def freeze(surrogate: Surrogate, bank: Bank, k: int) -> bool:
    """Make it the surrogate of that bank and k from now on; whether it will still be the next time."""
    return bank.keep(f"surrogate-k{k}", surrogate.to_arrays())


def _columns(activity: np.ndarray, scalars: np.ndarray) -> np.ndarray:
    """Columns of the regression: activity, the scalars, and all their products of two."""
    first, second = np.triu_indices(scalars.shape[1])
    return np.concatenate([activity, scalars, scalars[:, first] * scalars[:, second]], axis=1)
