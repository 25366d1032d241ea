"""The same seeds at several polarities: a row of pictures, a line of diagnostics, and metrics against real images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from tqdm import tqdm

from polarprior.arguments import (
    GENERATOR,
    PAIR,
    RHO,
    SEEDS_OF_A_DRAW,
    TILT,
    Domain,
    check_fields,
    instance,
    named_fields,
    several,
)
from polarprior.bank.bank import Bank
from polarprior.errors import UsageError
from polarprior.generator import Generator
from polarprior.host import Host
from polarprior.images.pictures import captioned_grid, to_uint8
from polarprior.images.reference import Reference
from polarprior.law.diagnostics import Diagnostics
from polarprior.law.limits import floor_to
from polarprior.samplers.contract import SamplerOptions
from polarprior.sweeps.comparing import Comparison, judge_of, say_cost, shape_of, spaces_of
from polarprior.sweeps.measuring import Measured, Measurement, Measuring, as_dict
from polarprior.sweeps.modes import ModesOptions, NearestReal, Pictures, modes
from polarprior.sweeps.repetitions import check_within_classes, of_sampler, repetitions

COLUMNS = 8


@named_fields
@dataclass(frozen=True)
class SweepOptions:
    """What a sweep shows.

    Attributes:
        polarities: values of rho; five inside the limits where None.
        seeds: stock seeds, a column each; the first rows of the bank where None.
        sampler: how latents are drawn.
        comparison: how draws are compared; nothing is measured where None.
        others: further generators with their banks, such as of other truncations: a curve each.
        alone: generators whose own prior is compared, such as of other truncations.
        tilts: in place of `polarities`, see `polarprior.law.tilt.rho_at`.
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "polarities": several(RHO, 1, "use such as polarities=(-0.1, 0, 0.1)").or_none(),
        "seeds": SEEDS_OF_A_DRAW.or_none(),
        "sampler": instance("polarprior.samplers.contract:SamplerOptions", "use pp.SamplerOptions(...)"),
        "comparison": instance("polarprior.sweeps.comparing:Comparison", "use pp.Comparison(...)").or_none(),
        "others": several(PAIR),
        "alone": several(GENERATOR),
        "tilts": several(TILT, 1, "use such as tilts=(-0.5, 0, 0.5)").or_none(),
    }

    polarities: Sequence[float] | None = None
    seeds: Sequence[int] | None = None
    sampler: SamplerOptions = field(default_factory=SamplerOptions)
    comparison: Comparison | None = None
    others: Sequence[tuple[Generator, Bank]] = ()
    alone: Sequence[Generator] = ()
    tilts: Sequence[float] | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    def check(self) -> None:
        """Raise UsageError for options that don't go together."""
        if self.sampler.tilt is not None:
            raise UsageError(f"tilt: got {self.sampler.tilt:g}, a sweep has several", "use such as tilts=(-0.5, 0.5)")
        if self.polarities is not None and self.tilts is not None:
            raise UsageError("tilts: got polarities as well, which say the same", "leave one of them out")

    def strengths(self, host: Host, generator: Generator, bank: Bank) -> list[tuple[float, SamplerOptions]]:
        """Each row's rho, and how its latents are drawn."""
        if self.tilts is not None:
            return [(0.0, replace(self.sampler, tilt=tilt)) for tilt in self.tilts]
        if self.polarities is not None:
            return [(rho, self.sampler) for rho in self.polarities]
        return [(rho, self.sampler) for rho in automatic_polarities(host, generator, bank, self.sampler)]


@dataclass(frozen=True, eq=False)
class SweepRow:
    """One polarity of a sweep, or one truncation of the model's own prior.

    Attributes:
        trunc: of the model, None where it has no notion of it.
        diagnostics: of this polarity on the bank; None for the model's own prior, without a bank.
        images: uint8 [seeds, H, W, C].
        moved: bool [seeds], where the draw is not the latent that the seed gives.
        measured: None where nothing is measured.
    """

    trunc: float | None
    diagnostics: Diagnostics | None
    images: np.ndarray
    moved: np.ndarray
    measured: Measurement | None = None

    @property
    def metrics(self) -> Measured:
        """The figures of `measured`; empty where nothing is."""
        return self.measured.figures if self.measured else {}

    @property
    def effect(self) -> Measured:
        """The effect of `measured`; empty where there is no control."""
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


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep has found.

    Attributes:
        model: the generator, as the command line names it where it can.
        bank: the digest of its bank.
        rows: the polarities of each generator with a bank, then the generators alone.
        seeds: of the columns of pictures.
        options: what was asked for.
        measuring: what measured the rows, or None.
        ends: where rows were measured, the bank's modes and anti-modes.
    """

    model: str
    bank: str
    rows: list[SweepRow]
    seeds: list[int]
    options: SweepOptions
    measuring: Measuring | None = None
    ends: Sequence[Pictures] = ()

    @property
    def reports(self) -> list[Diagnostics]:
        """The diagnostics of the rows that have a polarity."""
        return [row.diagnostics for row in self.rows if row.diagnostics]

    def to_dict(self) -> dict[str, Any]:
        """What ``sweep.json`` holds."""
        return {"model": self.model, "bank": self.bank, "rows": [report.to_dict() for report in self.reports]}

    def lines(self) -> list[dict[str, Any]]:
        """What ``sweep.jsonl`` holds, a row a line; empty where nothing was measured."""
        comparison, measuring = self.options.comparison, self.measuring
        if comparison is None or measuring is None:
            return []
        sizes = {"real": measuring.judge.count, "samples": measuring.samples}
        about = {"model": self.model, "reference": str(comparison.reference), **sizes}
        return [{**about, **row.to_dict()} for row in self.rows]

    def picture(self, titled: bool = True) -> Image.Image:
        """The rows as one picture, with a title or without one."""
        return sweep_picture(self.rows, self.seeds, self.model, self.options.sampler.sampler, titled)


def swept(
    host: Host,
    generator: Generator,
    bank: Bank,
    options: SweepOptions,
    told: Callable[[Sweep], None] = lambda _: None,
) -> Sweep:
    """Sweep; see `polarprior.sweep`. `told` is told what there is after each row."""
    asked, comparison = options.sampler, options.comparison
    options.check()
    check_within_classes(asked)
    real = None if comparison is None else comparison.opened()
    models = [(generator, bank), *options.others]
    seeds = first_seeds(bank, asked.label, COLUMNS) if options.seeds is None else list(options.seeds)
    steps = [(each, options.strengths(host, *each)) for each in models]
    model = generator.model
    total = sum(len(strengths) for _, strengths in steps) + (len(options.alone) if comparison else 0)
    measuring = None
    if comparison is not None:
        spaces = spaces_of(host, generator, comparison)
        what = f"{total} rows, and as many without polarity"
        drawn = sum(comparison.most_pictures(each, asked, 2 * len(rhos)) for (_, each), rhos in steps)
        drawn += len(options.alone) * comparison.sets * comparison.samples
        say_cost(generator, comparison, spaces, real, asked.label, drawn, what)
        judge = judge_of(generator, comparison, spaces, real, asked.label)
        measuring = Measuring(judge, comparison.samples, comparison.sets)

    def all_rows() -> Iterator[SweepRow]:
        for (each, its_bank), strengths in steps:
            yield from sweep_rows(host, each, its_bank, strengths, seeds, measuring)
        for each in options.alone if measuring else ():
            assert measuring is not None
            yield truncated(each, seeds, asked.label, measuring)

    rows: list[SweepRow] = []
    for row in tqdm(all_rows(), total=total, unit="row", desc="sweep"):
        rows.append(row)
        told(Sweep(model, bank.info.digest, [*rows], seeds, options, measuring))
    ends = _ends(generator, bank, asked, real) if measuring else ()
    return Sweep(model, bank.info.digest, rows, seeds, options, measuring, ends)


def _ends(generator: Generator, bank: Bank, asked: SamplerOptions, real: Reference | None) -> list[Pictures]:
    near = None if real is None else NearestReal(real, *shape_of(generator))
    return [
        modes(generator, bank, ModesOptions(anti=anti, label=asked.label, k=asked.k), near) for anti in (False, True)
    ]


def first_seeds(bank: Bank, label: int | None, count: int) -> list[int]:
    """The first seeds of the bank, of the class `label`: rows, so that a column changes only where rho changes it."""
    return bank.seeds[bank.rows_of(label)[:count]].tolist()


def automatic_polarities(host: Host, generator: Generator, bank: Bank, options: SamplerOptions) -> list[float]:
    """Five polarities: the limits, half of each, and 0.

    Raises:
        UsageError: the log-volume is the same everywhere, so that polarity changes nothing.
    """
    lower, upper = host.latent_sampler(generator, bank, 0.0, **vars(options)).diagnostics.limits
    if not np.isfinite([lower, upper]).all():
        raise UsageError(
            "polarities: none given, and the log-volume is the same everywhere: polarity changes nothing here",
            "measure volume in another space, or with another k",
        )
    values = {floor_to(rho) for rho in (lower, lower / 2, 0.0, upper / 2, upper)}
    return sorted(values)


def sweep_rows(
    host: Host,
    generator: Generator,
    bank: Bank,
    strengths: Sequence[tuple[float, SamplerOptions]],
    seeds: Sequence[int],
    measuring: Measuring | None = None,
) -> Iterator[SweepRow]:
    """Pictures of `seeds` at each rho with its options, with the diagnostics and, with `measuring`, metrics."""
    for rho, options in strengths:
        stock = generator.prior.draw(seeds, options.label)
        sampler = host.latent_sampler(generator, bank, rho, **vars(options))
        drawn = sampler.redraw(stock.z, stock.label)
        moved = (drawn.z != stock.z).flatten(1).any(1).numpy()
        images, measured = to_uint8(generator(drawn)), None
        if measuring:
            sets = repetitions(generator, bank, sampler, options.label, measuring.samples, measuring.sets)
            measured = measuring.of(generator, sets)
        yield SweepRow(generator.settings.trunc, sampler.diagnostics, images, moved, measured)


def truncated(generator: Generator, seeds: Sequence[int], label: int | None, measuring: Measuring) -> SweepRow:
    """The model's own prior, at the truncation that `generator` has."""
    images = to_uint8(generator(generator.prior.draw(seeds, label)))
    measured = measuring.of(generator, of_sampler(generator, None, label, measuring.samples, measuring.sets))
    return SweepRow(generator.settings.trunc, None, images, np.zeros(len(seeds), bool), measured)


def sweep_picture(
    rows: Sequence[SweepRow], seeds: Sequence[int], name: str, sampler: str = "bank", titled: bool = True
) -> Image.Image:
    """One row a polarity, one column a seed; the title says which law was drawn, and by which `sampler`."""
    first = next(row.diagnostics for row in rows if row.diagnostics)
    title = (
        f"{name}: sampler {sampler}, bank of {first.rows} latents, k = {first.k}, {first.target}, "
        f"limits of rho {first.limits}.\nA bar marks a seed whose own latent the polarity has replaced."
    )
    return captioned_grid(
        rows=[row.images for row in rows],
        captions=[_caption(row) for row in rows],
        title=title if titled else "",
        heads=[f"seed {seed}" for seed in seeds],
        marked=[row.moved for row in rows],
    )


def _caption(row: SweepRow) -> tuple[str, str]:
    if row.diagnostics is None:
        return f"trunc {row.trunc:g}", "the model's own\nprior"
    report = row.diagnostics
    where = "" if report.within_limits else "\nbeyond the limits"
    return f"rho {report.rho:g}", f"tilt {report.tilt:.2f}\nmean log-volume {report.mean_log_volume:.1f}{where}"
