"""The same seeds at several polarities: a row of pictures, a line of diagnostics, and metrics against real images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from polarprior.bank.bank import Bank
from polarprior.errors import UsageError
from polarprior.generator import Generator
from polarprior.host import default_host
from polarprior.law.diagnostics import Diagnostics
from polarprior.law.limits import floor_to
from polarprior.measure.figures import captioned_grid, to_uint8
from polarprior.measure.judging import Judge
from polarprior.measure.repetitions import Repetition, of_sampler, repetitions
from polarprior.prior.sampler import SamplerOptions


@dataclass(frozen=True)
class Spread:
    """A figure over several sets of seeds.

    Attributes:
        values: one a set.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the values."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float:
        """Of the values, with n - 1; 0 of a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0

    @property
    def half(self) -> float:
        """Half the width of the 95% interval of the mean (Student's); infinite of a single value."""
        from scipy.stats import t

        n = len(self.values)
        return float(t.ppf(0.975, n - 1)) * self.std / n**0.5 if n > 1 else float("inf")

    def less(self, other: Spread) -> Spread:
        """The difference, set by set."""
        return Spread(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))

    def __str__(self) -> str:
        return f"{self.mean:.4g}" + (f" ± {self.std:.2g}" if len(self.values) > 1 else "")

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"mean": self.mean, "std": self.std, "values": list(self.values)}


Measured = dict[str, dict[str, Spread]]
"""Figures by space and metric."""


def as_dict(measured: Measured) -> dict[str, Any]:
    """For JSON."""
    return {space: {name: spread.to_dict() for name, spread in values.items()} for space, values in measured.items()}


def change(measured: Measured, plain: Measured) -> Measured:
    """Each figure less that of `plain`, set by set."""
    return {
        space: {name: spread.less(plain[space][name]) for name, spread in values.items()}
        for space, values in measured.items()
    }


@dataclass(frozen=True)
class Measurement:
    """What a row was measured to be.

    Attributes:
        figures: over the sets.
        effect: the same less those of each set's control; empty where there is none.
        distinct: different latents in a set, on average.
    """

    figures: Measured
    effect: Measured
    distinct: float


@dataclass(frozen=True)
class Measuring:
    """Metrics of a row.

    Attributes:
        judge: compares draws with real images.
        samples: draws a set.
        sets: of draws, from which the spread comes.
    """

    judge: Judge
    samples: int = 1000
    sets: int = 3

    def of(self, generator: Generator, sets: Iterable[Repetition]) -> Measurement:
        """Metrics of sets of draws, and of their controls."""
        found, controls, distinct = [], [], []
        for each in sets:
            found.append(self.judge(generator, each.drawn))
            distinct.append(each.distinct)
            if each.control is not None:
                controls.append(self.judge(generator, each.control))
        figures = _gathered(found)
        effect = change(figures, _gathered(controls)) if controls else {}
        return Measurement(figures, effect, float(np.mean(distinct)))


def _gathered(found: Sequence[dict[str, dict[str, float]]]) -> Measured:
    return {
        space: {name: Spread(tuple(each[space][name] for each in found)) for name in values}
        for space, values in found[0].items()
    }


@dataclass(frozen=True, eq=False)
class SweepRow:
    """One polarity of a sweep, or one truncation of the model's own prior.

    Attributes:
        trunc: of the model, None where it has no notion of it.
        diagnostics: of this polarity on the bank; None for the model's own prior, without a bank.
        images: uint8 [seeds, H, W, C].
        moved: bool [seeds], where the draw is another latent than the seed's own.
        measured: None where nothing is measured.
    """

    trunc: float | None
    diagnostics: Diagnostics | None
    images: np.ndarray
    moved: np.ndarray
    measured: Measurement | None = None

    @property
    def metrics(self) -> Measured:
        """Of `measured`; empty where nothing is."""
        return self.measured.figures if self.measured else {}

    @property
    def effect(self) -> Measured:
        """Of `measured`; empty where there is no control."""
        return self.measured.effect if self.measured else {}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        report = None if self.diagnostics is None else self.diagnostics.to_dict()
        trusted = self.diagnostics is None or self.diagnostics.within_limits
        return {
            "trunc": self.trunc,
            "diagnostics": report,
            "within_limits": trusted,
            "metrics": as_dict(self.metrics),
            "effect": as_dict(self.effect),
            "distinct": self.measured.distinct if self.measured else None,
        }


def automatic_polarities(generator: Generator, bank: Bank, **options: Any) -> list[float]:
    """Five polarities: the limits, half of each, and 0; `options` as in `Host.latent_sampler`.

    Raises:
        UsageError: the log-volume is the same everywhere, so that polarity changes nothing.
    """
    lower, upper = default_host().latent_sampler(generator, bank, 0.0, **options).diagnostics.limits
    if not np.isfinite([lower, upper]).all():
        raise UsageError(
            "--polarity: none given, and the log-volume is the same everywhere: polarity changes nothing here",
            "measure volume in another --space, or with another -k",
        )
    values = {floor_to(rho) for rho in (lower, lower / 2, 0.0, upper / 2, upper)}
    return sorted(values)


def sweep(
    generator: Generator,
    bank: Bank,
    polarities: Sequence[float],
    seeds: Sequence[int],
    *,
    label: int | None = None,
    measuring: Measuring | None = None,
    **options: Any,
) -> Iterator[SweepRow]:
    """Pictures of `seeds` at each polarity, with the diagnostics and, with `measuring`, metrics; `options` as in
    `Host.latent_sampler`."""
    stock = generator.prior.draw(seeds, label)
    asked = SamplerOptions(label=label, **options)
    for rho in polarities:
        sampler = default_host().latent_sampler(generator, bank, rho, label=label, **options)
        drawn = sampler.redraw(stock.z, stock.label)
        moved = (drawn.z != stock.z).flatten(1).any(1).numpy()
        images, measured = to_uint8(generator(drawn)), None
        if measuring:
            sets = repetitions(generator, bank, sampler, rho, asked, measuring.samples, measuring.sets)
            measured = measuring.of(generator, sets)
        yield SweepRow(generator.settings.trunc, sampler.diagnostics, images, moved, measured)


def truncated(generator: Generator, seeds: Sequence[int], label: int | None, measuring: Measuring) -> SweepRow:
    """The model's own prior, at the truncation that `generator` has."""
    images = to_uint8(generator(generator.prior.draw(seeds, label)))
    measured = measuring.of(generator, of_sampler(generator, None, label, measuring.samples, measuring.sets))
    return SweepRow(generator.settings.trunc, None, images, np.zeros(len(seeds), bool), measured)


def sweep_picture(rows: Sequence[SweepRow], seeds: Sequence[int], name: str, sampler: str = "bank") -> Image.Image:
    """One row a polarity, one column a seed; the title says which law was drawn, and by which `sampler`."""
    first = next(row.diagnostics for row in rows if row.diagnostics)
    title = (
        f"{name}: sampler {sampler}, bank of {first.rows} latents, k = {first.k}, {first.target}, "
        f"limits of rho {first.limits}.\nA bar marks a seed whose own latent the polarity has replaced."
    )
    return captioned_grid(
        rows=[row.images for row in rows],
        captions=[_caption(row) for row in rows],
        title=title,
        heads=[f"seed {seed}" for seed in seeds],
        marked=[row.moved for row in rows],
    )


def _caption(row: SweepRow) -> tuple[str, str]:
    if row.diagnostics is None:
        return f"trunc {row.trunc:g}", "the model's own\nprior"
    report = row.diagnostics
    where = "" if report.within_limits else "\nbeyond the limits"
    return f"rho {report.rho:g}", f"|rho|·std {report.tilt:.2f}\nmean log-volume {report.mean_log_volume:.1f}{where}"
