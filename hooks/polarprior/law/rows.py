"""What a bank, with the model at hand, tells of latents drawn from the prior."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from polarprior.bank.cache import forms
from polarprior.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator, Latents
    from polarprior.law.image_statistics import Statistic

T = TypeVar("T")
BATCH = 32


@dataclass(frozen=True, eq=False)
class Rows:
    """Latents drawn from the prior, all of one class where there are classes.

    Attributes:
        label: the class, or None.
        log_volume: l_k, [N], nats; -inf where the rank is less.
        radius: gives their |z|, [N]; called for the shell alone.
        statistics: gives the named statistics of their images, [N, m]: those held first; called where some are.
    """

    label: int | None
    log_volume: np.ndarray
    radius: Callable[[], np.ndarray]
    statistics: Callable[[], tuple[list[str], np.ndarray]]


def rows_of_bank(
    bank: Bank,
    k: int,
    label: int | None,
    rows: np.ndarray,
    hold: tuple[str | Statistic, ...],
    generator: Generator | None,
) -> Rows:
    """`rows` of a bank, int64 [n]. Without a generator neither |z| nor images can be had: UsageError then."""

    def model() -> Generator:
        if generator is None:
            raise UsageError(
                "support, hold: need the model, got a bank alone", "use polarprior sample MODEL --bank BANK"
            )
        return generator

    def latents(part: np.ndarray) -> Latents:
        return model().prior.draw(bank.seeds[part], label)

    def all_radii() -> np.ndarray:
        starts = progress(range(0, len(bank), 1024), "latents")
        return np.concatenate([lengths(model(), model().prior.draw(bank.seeds[i : i + 1024]).z) for i in starts])

    def radius() -> np.ndarray:
        return bank.remember("radius", all_radii)[rows]

    @cache
    def statistics() -> tuple[list[str], np.ndarray]:
        from polarprior.law.image_statistics import STATISTICS, measured

        measured_here = statistics_with_others(hold)
        own = all(STATISTICS.get(name) is statistic for name, statistic in measured_here.items())

        def compute() -> np.ndarray:
            starts = progress(range(0, len(rows), BATCH), "images")
            parts = [measured(measured_here, model()(latents(rows[i : i + BATCH]), BATCH)) for i in starts]
            return np.concatenate(parts)

        if not own:  # two functions of a user's may share a name
            return list(measured_here), compute()
        name = f"statistics-{'-'.join(measured_here)}-class{label}-of{len(rows)}"
        kept = bank.recall(name)
        if kept is None or forms(kept) != dict.fromkeys(measured_here, ((len(rows),), np.dtype(np.float64))):
            kept = dict(zip(measured_here, compute().T, strict=True))
            bank.keep(name, kept)
        return list(measured_here), np.stack([kept[each] for each in measured_here], 1)

    return Rows(label, bank.log_volume(k)[rows], radius, statistics)


def part_of(known: Rows, part: np.ndarray) -> Rows:
    """Some of the rows, by their places among them, int64 [m]."""

    def statistics() -> tuple[list[str], np.ndarray]:
        names, values = known.statistics()
        return names, values[part]

    return Rows(known.label, known.log_volume[part], lambda: known.radius()[part], statistics)


def progress(batches: Sequence[T], what: str) -> Iterator[T]:
    """A bar on a terminal, for what takes longer than two seconds."""
    from tqdm import tqdm

    return iter(tqdm(batches, what, unit="batch", disable=None, delay=2, leave=False))


def statistics_with_others(hold: tuple[str | Statistic, ...]) -> dict[str, Statistic]:
    """Those that are held, then, where one of them is the host's own, the others of the host's."""
    from polarprior.law.image_statistics import STATISTICS, named_statistics

    held = named_statistics(hold)
    others = STATISTICS if any(isinstance(each, str) for each in hold) else {}
    return held | {name: each for name, each in others.items() if name not in held}


def lengths(generator: Generator, z: Tensor) -> np.ndarray:
    """|z| of latents z [n, *shape] as the model sees them, float64 [n]: all the same where it normalises them."""
    from polarprior.jacobian.of_generator import on_sphere

    z = on_sphere(z) if generator.normalizes_latent else z
    lengths: np.ndarray = z.double().flatten(1).norm(dim=1).cpu().numpy()
    return lengths


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
