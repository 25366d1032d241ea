"""What a row of a sweep is measured on: several sets of draws, each with its control, so that figures have errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.errors import UsageError, warn
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash, uniforms
from polarprior.samplers.contract import LatentSampler, SamplerOptions, Weighted
from polarprior.samplers.coupling import MaximalCoupling


class Repetition(NamedTuple):
    """A set of draws.

    Attributes:
        drawn: [n].
        control: as many, each repeated as often as one of those drawn, of latents of the model's own prior: the same
            repetitions, and no polarity. None where all rows weigh the same, and where the sampler doesn't say.
        distinct: different latents among those drawn.
    """

    drawn: Latents
    control: Latents | None
    distinct: int


def check_within_classes(options: SamplerOptions) -> None:
    """UsageError for a joint law: what is compared here is a class, or a model without any."""
    if options.joint:
        raise UsageError("joint: draws of one class are compared, or of a model without classes", "leave it out")


def repetitions(
    generator: Generator, bank: Bank, sampler: LatentSampler, label: int | None, samples: int, sets: int
) -> Iterator[Repetition]:
    """Sets of draws of a sampler: `of_bank` where it says how it weighs the bank's rows, else `of_sampler`."""
    if isinstance(sampler, Weighted):
        return of_bank(generator, bank, sampler, label, samples, sets)
    return of_sampler(generator, sampler, label, samples, sets)


def of_bank(
    generator: Generator, bank: Bank, sampler: Weighted, label: int | None, samples: int, sets: int
) -> Iterator[Repetition]:
    """Draws of rows of the bank, each set from a part of the bank as if that were all: the sets share no latent, and
    their spread holds that of the bank.

    Args:
        generator, bank: whose rows are drawn.
        sampler: says how it weighs them.
        label: the class.
        samples: draws a set.
        sets: parts.
    """
    rows = bank.rows_of(label)
    smallest = len(rows) // sets
    if smallest < samples:
        warn(
            f"samples: {samples} draws from each of {sets} parts of a bank of {len(rows)} latents repeat at rho 0 "
            f"as well, and their figures are worse for it; use samples={smallest}, or a bank of {sets * samples}"
        )
    for index, part in enumerate(np.array_split(rows, sets)):
        inside, weights = sampler.weighted(part)
        own = np.resize(np.arange(len(inside)), samples)
        u = uniforms(np.arange(index * samples, (index + 1) * samples), 2)
        drawn = MaximalCoupling(weights).rows(own, u)
        often = np.unique(drawn, return_counts=True)[1]
        control = np.random.default_rng(index).permutation(np.unique(own))[: len(often)].repeat(often)
        latents = [generator.prior.draw(bank.seeds[inside[each]], label) for each in (drawn, control)]
        yield Repetition(latents[0], latents[1] if np.ptp(weights) else None, len(often))


def of_sampler(
    generator: Generator, sampler: LatentSampler | None, label: int | None, samples: int, sets: int
) -> Iterator[Repetition]:
    """What the seeds 0, 1, ... become; those of the model's own prior where `sampler` is None."""
    for start in range(0, sets * samples, samples):
        seeds = range(start, start + samples)
        drawn = generator.prior.draw(seeds, label) if sampler is None else sampler.sample(seeds, label)
        yield Repetition(drawn, None, len(np.unique(latent_hash(drawn.z))))
