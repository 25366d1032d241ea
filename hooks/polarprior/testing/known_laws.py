"""Laws that are known without a Jacobian: of a bank whose log-volume is one number of z, or of the class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.stats
import torch
from torch import Tensor

from polarprior.bank.bank import Bank
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash
from polarprior.jacobian.of_generator import on_sphere

ROWS, DRAWS = 20_000, 8000
FIRST_FRESH = 2**31
"""The first of the seeds that are no rows."""

Density = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class KnownLaws:
    """Banks of a model with log-volumes that nobody had to measure, and stock latents that are no rows of them.

    Attributes:
        generator: the model.
        by_latent: a bank whose l is a number of z, standardised; of class 0 where there are classes.
        by_class: where there are classes, a bank of 0 and 1 in turn whose l is the class; else None.
        fresh: z of stock latents, [n, *shape].
        centre, scale: what the number of z was standardised by.
    """

    generator: Generator
    by_latent: Bank
    by_class: Bank | None
    fresh: Tensor
    centre: float
    scale: float

    @classmethod
    def of(cls, generator: Generator, like: Bank, first_row: int = 0) -> KnownLaws:
        """Those of a model; `like` is a bank of it, for all that a bank says besides; the rows' seeds begin at
        `first_row`."""
        seeds = np.arange(first_row, first_row + ROWS)
        z = _drawn(generator, seeds)
        numbers = _number(generator, z)
        centre, scale = float(numbers.mean()), float(numbers.std())
        columns: dict[str, np.ndarray] = {"seeds": seeds, "latent_hash": latent_hash(z)}
        volumes = (numbers - centre) / scale
        by_class = None
        if generator.num_classes is not None:
            by_class = _bank(like, {**columns, "labels": seeds % 2}, seeds % 2)
            columns["labels"] = 0 * seeds
        fresh = _drawn(generator, np.arange(FIRST_FRESH, FIRST_FRESH + DRAWS))
        return cls(generator, _bank(like, columns, volumes), by_class, fresh, centre, scale)

    def stock(self, labels: np.ndarray | None = None) -> Latents:
        """The fresh latents, of these classes, or of class 0 where there are any."""
        if self.generator.num_classes is None:
            return Latents(self.fresh)
        return Latents(self.fresh, torch.from_numpy(np.zeros(DRAWS, np.int64) if labels is None else labels))

    def errors_off(self, z: Tensor, density: Density, rho: float) -> float:
        """Standard errors by which draws z [n, *shape] of `by_latent` are off the law density(x) exp(rho x).

        In the mean of x or in that of its square, whichever is more: those of the draws, and of the bank's effective
        size.
        """
        x = np.linspace(-12, 12, 24_001)
        law = density(x) * np.exp(rho * x)
        law /= law.sum()
        weights = np.exp(rho * self.by_latent.log_volume())
        spread = 1 / len(z) + (weights @ weights) / weights.sum() ** 2
        numbers = (_number(self.generator, z) - self.centre) / self.scale
        found = []
        for power in (1, 2):
            mean = law @ x**power
            error = np.sqrt((law @ x ** (2 * power) - mean**2) * spread)
            found.append(abs((numbers**power).mean() - mean) / error)
        return float(max(found))


def density_of(generator: Generator, number: Any) -> Density | None:
    """The density of a number of z, standardised, as the model sees it, up to a constant; None where it isn't known.

    Args:
        generator: the model, by whose prior's name it is known, or by the sphere that it puts z on.
        number: a `scipy.stats` distribution with its parameters, where the name doesn't tell.
    """
    name, _, bound = generator.prior.name.partition(":")
    if generator.normalizes_latent:
        half = (generator.prior.dim - 3) / 2
        even = number is None and generator.prior.name in ("normal", "sphere")
        return (lambda x: (1 - x**2 / generator.prior.dim).clip(min=0) ** half) if even else None
    if number is None and generator.prior.name == "normal":
        number = scipy.stats.norm()
    if number is None and generator.prior.name == "uniform":
        number = scipy.stats.uniform(-1, 2)
    if number is None and name == "truncated-normal" and bound.replace(".", "", 1).isdecimal():
        number = scipy.stats.truncnorm(-float(bound), float(bound))
    return number and (lambda x: number.pdf(number.mean() + number.std() * x))


def _bank(like: Bank, columns: dict[str, np.ndarray], volumes: np.ndarray) -> Bank:
    spectra = volumes.astype(np.float32)[:, None]
    return Bank.of(replace(like.info, k=1), {**columns, "log_singular_values": spectra})


def _drawn(generator: Generator, seeds: np.ndarray) -> Tensor:
    return torch.cat([generator.prior.draw(part).z for part in np.array_split(seeds, 20)])


def _number(generator: Generator, z: Tensor) -> np.ndarray:
    """The first number of z as the model sees it, float64 [n]."""
    seen = on_sphere(z) if generator.normalizes_latent else z
    return np.asarray(seen.flatten(1)[:, 0].double().cpu())
