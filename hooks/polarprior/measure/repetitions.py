"""What a row of a sweep is measured on: several sets of draws, each with its control, so that figures have errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash, uniforms
from polarprior.law.law import resolve
from polarprior.law.rows import Rows, rows_of_bank
from polarprior.prior.bank_sampler import BankSampler
from polarprior.prior.coupling import MaximalCoupling
from polarprior.prior.sampler import LatentSampler, SamplerOptions


class Repetition(NamedTuple):
    """A set of draws.

    Attributes:
        drawn: [n].
        control: as many, each repeated as often as one of those drawn, of latents of the model's own prior: the same
            repetitions, and no polarity. None at rho 0, and where nothing is repeated.
        distinct: different latents among those drawn.
    """

    drawn: Latents
    control: Latents | None
    distinct: int


def repetitions(
    generator: Generator,
    bank: Bank,
    sampler: LatentSampler,
    rho: float,
    options: SamplerOptions,
    samples: int,
    sets: int,
) -> Iterator[Repetition]:
    """Sets of draws of a sampler that was made of the others: `of_bank` where they are rows, else `of_sampler`."""
    if isinstance(sampler, BankSampler):
        return of_bank(generator, bank, rho, options, samples, sets)
    return of_sampler(generator, sampler, options.label, samples, sets)


def of_bank(
    generator: Generator, bank: Bank, rho: float, options: SamplerOptions, samples: int, sets: int
) -> Iterator[Repetition]:
    """Draws of the bank sampler, each set from a part of the bank as if that were all: the sets share no latent, and
    their spread holds that of the bank.

    Args:
        generator, bank, rho: of the law.
        options: k, label, support and hold.
        samples: draws a set.
        sets: parts.
    """
    k = bank.info.k if options.k is None else options.k
    rows = bank.rows_of(options.label)
    known = rows_of_bank(bank, k, options.label, rows, options.hold, generator)
    smallest = len(rows) // sets
    if smallest < samples:
        warnings.warn(
            f"--samples: {samples} draws from each of {sets} parts of a bank of {len(rows)} latents repeat at rho 0 "
            f"as well, and their figures are worse for it; use --samples {smallest}, or a bank of {sets * samples}",
            stacklevel=2,
        )
    for index, part in enumerate(np.array_split(np.arange(len(rows)), sets)):
        law = resolve(rho, k, _part(known, part), support=options.support, held=len(options.hold))
        inside = rows[part[law.inside]]
        own = np.resize(np.arange(len(inside)), samples)
        u = uniforms(np.arange(index * samples, (index + 1) * samples), 2)
        drawn = MaximalCoupling(law.weights.values).rows(own, u)
        often = np.unique(drawn, return_counts=True)[1]
        control = np.random.default_rng(index).permutation(np.unique(own))[: len(often)].repeat(often)
        latents = [generator.prior.draw(bank.seeds[inside[each]], options.label) for each in (drawn, control)]
        yield Repetition(latents[0], latents[1] if rho else None, len(often))


def of_sampler(
    generator: Generator, sampler: LatentSampler | None, label: int | None, samples: int, sets: int
) -> Iterator[Repetition]:
    """What the seeds 0, 1, ... become; those of the model's own prior where `sampler` is None."""
    for start in range(0, sets * samples, samples):
        seeds = range(start, start + samples)
        drawn = generator.prior.draw(seeds, label) if sampler is None else sampler.sample(seeds, label)
        yield Repetition(drawn, None, len(np.unique(latent_hash(drawn.z))))


def _part(known: Rows, part: np.ndarray) -> Rows:
    """Some of the rows, counted within them."""

    def statistics() -> tuple[list[str], np.ndarray]:
        names, values = known.statistics()
        return names, values[part]

    return Rows(known.label, known.log_volume[part], lambda: known.radius()[part], statistics)
