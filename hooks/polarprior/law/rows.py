"""What a bank, with the model at hand, tells of latents drawn from the prior."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from polarprior.bank.cache import forms
from polarprior.errors import UsageError
from polarprior.law.geometry import Geometry, geometry_of

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator, Latents
    from polarprior.law.image_statistics import Statistic

T = TypeVar("T")
BATCH = 32


@dataclass(frozen=True, eq=False)
class Rows:
    """Latents drawn from the prior, all of one class where there are classes, or of all of them.

    Attributes:
        label: the class, or None.
        log_volume: l_k, [N], nats; -inf where the rank is less.
        lengths: gives those of `polarprior.law.geometry.Geometry`, [N, m]; called for the shell alone.
        statistics: gives the named statistics of their images, [N, m]: those held first; called where some are.
        labels: of a joint law over classes: theirs, int64 [N]; else None.
    """

    label: int | None
    log_volume: np.ndarray
    lengths: Callable[[], np.ndarray]
    statistics: Callable[[], tuple[list[str], np.ndarray]]
    labels: np.ndarray | None = None


class Source(NamedTuple):
    """What is known of a bank's latents besides their spectra.

    Attributes:
        generator: what made it; None where only the bank is at hand: neither lengths nor images can be had then.
        geometry: of its prior; what the generator says of itself where None.
    """

    generator: Generator | None = None
    geometry: Geometry | None = None

    def model(self) -> Generator:
        """The generator; UsageError where there is none."""
        if self.generator is None:
            raise UsageError(
                "support, hold: need the model, got a bank alone", "use polarprior sample MODEL --bank BANK"
            )
        return self.generator

    def lengths_of(self, latents: Latents) -> np.ndarray:
        """Their lengths, float64 [n, m]; m is 0 where no latent is longer than another."""
        geometry = self.geometry or geometry_of(self.model())
        return np.empty((len(latents), 0)) if geometry.lengths is None else geometry.lengths(latents.z)


def rows_of_bank(
    bank: Bank,
    k: int,
    label: int | None,
    rows: np.ndarray,
    hold: tuple[str | Statistic, ...],
    source: Source,
    joint: bool = False,
) -> Rows:
    """`rows` of a bank, int64 [n]: of the class `label`, or with `joint` of all classes."""
    labels = bank.labels[rows] if joint and bank.labels is not None else None

    def latents(part: slice) -> Latents:
        return source.model().prior.draw(bank.seeds[rows[part]], label if labels is None else labels[part])

    def all_lengths() -> np.ndarray:
        draw = source.model().prior.draw
        starts = progress(range(0, len(bank), 1024), "latents")
        return np.concatenate([source.lengths_of(draw(bank.seeds[i : i + 1024])).ravel() for i in starts])

    def lengths() -> np.ndarray:
        count = source.lengths_of(source.model().prior.draw(bank.seeds[:1])).shape[1]
        name = "radius" if count == 1 else f"lengths-{count}"
        return bank.remember(name, all_lengths, len(bank) * count).reshape(len(bank), count)[rows]

    @cache
    def statistics() -> tuple[list[str], np.ndarray]:
        from polarprior.law.image_statistics import STATISTICS, measured

        measured_here = statistics_with_others(hold)
        own = all(STATISTICS.get(name) is statistic for name, statistic in measured_here.items())

        def compute() -> np.ndarray:
            starts = progress(range(0, len(rows), BATCH), "images")
            images = (source.model()(latents(slice(i, i + BATCH)), batch_size=BATCH) for i in starts)
            return np.concatenate([measured(measured_here, each) for each in images])

        if not own:  # two functions of a user's may share a name
            return list(measured_here), compute()
        name = f"statistics-{'-'.join(measured_here)}-class{'joint' if joint else label}-of{len(rows)}"
        kept = bank.recall(name)
        if kept is None or forms(kept) != dict.fromkeys(measured_here, ((len(rows),), np.dtype(np.float64))):
            kept = dict(zip(measured_here, compute().T, strict=True))
            bank.keep(name, kept)
        return list(measured_here), np.stack([kept[each] for each in measured_here], 1)

    return Rows(label, bank.log_volume(k)[rows], lengths, statistics, labels)


def part_of(known: Rows, part: np.ndarray) -> Rows:
    """Some of the rows, by their places among them, int64 [m]."""

    def statistics() -> tuple[list[str], np.ndarray]:
        names, values = known.statistics()
        return names, values[part]

    labels = None if known.labels is None else known.labels[part]
    return Rows(known.label, known.log_volume[part], lambda: known.lengths()[part], statistics, labels)


def progress(batches: Sequence[T], what: str) -> Iterator[T]:
    """A bar, for what takes longer than two seconds."""
    from tqdm import tqdm

    often = 0.1 if sys.stderr.isatty() else 2.0  # in a file each time is a line
    return iter(tqdm(batches, what, unit="batch", delay=2, mininterval=often, leave=False))


def statistics_with_others(hold: tuple[str | Statistic, ...]) -> dict[str, Statistic]:
    """Those that are held, then, where one of them is the host's own, the others of the host's."""
    from polarprior.law.image_statistics import STATISTICS, named_statistics

    held = named_statistics(hold)
    others = STATISTICS if any(isinstance(each, str) for each in hold) else {}
    return held | {name: each for name, each in others.items() if name not in held}


def labels_asked_for(bank: Bank, label: int | None) -> list[int | None]:
    """The classes that a sampler prepares for: the one named, else all of the bank; [None] where it has none."""
    if label is None and bank.labels is not None:
        return np.unique(bank.labels).tolist()
    return [label]


def check_asked_for(bank: Bank, label: int | None, prepared: Collection[int | None]) -> None:
    """Raise UsageError for a class that the bank doesn't have, or that the sampler was not asked for."""
    if label not in prepared:
        bank.rows_of(label)  # says so where the bank has no such class
        raise UsageError(f"label: got {label}, asked for {list(prepared)}", "ask for all: label=None")
