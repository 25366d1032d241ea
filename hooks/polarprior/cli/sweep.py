"""`polarprior sweep`: what a range of polarities does, in pictures, diagnostics and metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarprior.cli.measuring import check_measured, metric_options, open_judge, opened, reference_option, shape_of
from polarprior.cli.options import (
    NumberList,
    RhoList,
    class_option,
    force_option,
    k_option,
    label_of,
    loading_options,
    model_argument,
    open_model_and_bank,
    sampler_options,
    table,
    trunc_option,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.law.diagnostics import Diagnostics
    from polarprior.measure.modes import Pictures
    from polarprior.measure.sweep import Measuring, SweepRow
    from polarprior.prior.sampler import SamplerOptions

HEADS = ("rho", "|rho|·std", "ESS", "k-hat", "largest weight", "distinct", "mean log-volume")


@click.command()
@model_argument
@click.option(
    "--bank",
    "banks",
    multiple=True,
    type=click.Path(path_type=Path, readable=False),
    help="Bank of the model's latents; several, of other truncations, give a curve each.",
)
@click.option("--polarity", "polarities", type=RhoList(), help="rho values; five inside the limits if not given.")
@click.option(
    "--truncations",
    type=RhoList(),
    metavar="PSI,PSI,...",
    help="Truncations of the model's own prior, to compare with.",
)
@click.option("--seeds", "seed_list", type=NumberList(), help="Columns; the bank's first eight if not given.")
@click.option("--out", required=True, type=click.Path(path_type=Path, readable=False), help="Folder.")
@reference_option
@metric_options
@class_option
@sampler_options
@trunc_option
@k_option
@force_option
@loading_options
def sweep(
    model: str,
    banks: tuple[Path, ...],
    polarities: list[float] | None,
    truncations: list[float] | None,
    seed_list: list[int] | None,
    out: Path,
    reference: str | None,
    metrics: tuple[str, ...],
    spaces: tuple[str, ...],
    samples: int,
    sets: int,
    class_name: str | None,
    sampler: str,
    support: str,
    hold: tuple[str, ...],
    trunc: float | None,
    k: int | None,
    force: bool,
    **loading: Any,
) -> None:
    """Pictures of MODEL over a range of polarities, with their diagnostics: OUT/sweep.png and sweep.json.

    With --reference also metrics against those images, with error bars over sets of draws: OUT/sweep.jsonl, a row a
    line, and OUT/sweep.html, which needs nothing beside it.
    """
    from polarprior.errors import UsageError
    from polarprior.files import check_writable
    from polarprior.host import default_host
    from polarprior.measure.modes import NearestReal, modes
    from polarprior.measure.plots import check_matplotlib
    from polarprior.measure.sweep import Measuring
    from polarprior.prior.sampler import SamplerOptions

    check_writable(out / "sweep.json")
    check_measured(reference, banks)
    if truncations and reference is None:
        raise UsageError("--truncations: given without --reference", "name real images, or --reference prior")
    if reference:
        check_matplotlib()
    real = opened(reference)
    models = [open_model_and_bank(model, path, trunc, **loading) for path in banks or (None,)]
    generator, bank = models[0]
    label = label_of(generator, class_name)
    seeds = seed_list or first_seeds(bank, label, 8)
    options = SamplerOptions(sampler=sampler, k=k, label=label, support=support, hold=hold, force=force)
    alone = [default_host().load(model, trunc=psi, **loading) for psi in truncations or ()]
    measuring = None
    if reference:
        judge = open_judge(generator, real, label, metrics, spaces, samples, sets)
        measuring = Measuring(judge, samples, sets)
    rows = draw_sweep(model, models, alone, polarities, seeds, out, options, measuring)
    if measuring and reference:
        near = NearestReal(real, *shape_of(generator)) if real else None
        ends = [modes(generator, bank, anti=anti, label=label, k=k, reference=near) for anti in (False, True)]
        _report(model, rows, seeds, out, options, measuring, reference, ends)


def first_seeds(bank: Bank, label: int | None, count: int) -> list[int]:
    """The first seeds of the bank, of the class `label`: rows, so that a column changes only where rho changes it."""
    return bank.seeds[bank.rows_of(label)[:count]].tolist()


def draw_sweep(
    model: str,
    models: Sequence[tuple[Generator, Bank]],
    alone: Sequence[Generator],
    polarities: list[float] | None,
    seeds: list[int],
    out: Path,
    options: SamplerOptions,
    measuring: Measuring | None = None,
) -> list[SweepRow]:
    """Write sweep.png and sweep.json into `out`, print the table, and return the rows: those of each model with its
    bank, then those of the generators `alone` on their own prior."""
    from tqdm import tqdm

    from polarprior.files import write_atomically
    from polarprior.measure.figures import png_bytes
    from polarprior.measure.sweep import automatic_polarities, sweep, sweep_picture, truncated

    rows: list[SweepRow] = []
    steps = [
        (each, automatic_polarities(*each, **vars(options)) if polarities is None else polarities) for each in models
    ]
    with tqdm(total=sum(len(rhos) for _, rhos in steps) + len(alone), unit="row", desc="sweep") as bar:
        for (generator, bank), rhos in steps:
            for row in sweep(generator, bank, rhos, seeds, measuring=measuring, **vars(options)):
                rows.append(row)
                bar.update()
        for generator in alone:
            if measuring:
                rows.append(truncated(generator, seeds, options.label, measuring))
                bar.update()
    picture = sweep_picture(rows, seeds, model, options.sampler)
    write_atomically(out / "sweep.png", png_bytes(picture))
    reports = [row.diagnostics for row in rows if row.diagnostics]
    document = {"model": model, "bank": models[0][1].info.digest, "rows": [report.to_dict() for report in reports]}
    write_atomically(out / "sweep.json", json.dumps(document, indent=1, sort_keys=True).encode())
    click.echo(table([HEADS, *[_cells(report) for report in reports]]))
    click.echo(f"k {reports[0].k}, limits of rho {reports[0].limits}; distinct: expected in {reports[0].draws} draws")
    for report in reports:
        for moment in report.moments:
            click.echo(f"rho {report.rho:g}, {'held' if moment.held else 'moved'}: {moment}")
    click.echo(f"{out / 'sweep.png'}: {len(rows)} rows, {len(seeds)} seeds")
    return rows


def _cells(report: Diagnostics) -> tuple[str, ...]:
    from polarprior.law.limits import floor_to

    return (
        f"{report.rho:g}",
        f"{report.tilt:.3g}",
        f"{report.ess:.0f} of {report.rows}",
        f"{floor_to(report.k_hat):.2f}",
        f"{report.max_weight:.2g}",
        f"{report.distinct:.0f}",
        f"{report.mean_log_volume:.2f}",
    )


def _report(
    model: str,
    rows: Sequence[SweepRow],
    seeds: list[int],
    out: Path,
    options: SamplerOptions,
    measuring: Measuring,
    reference: str,
    ends: Sequence[Pictures],
) -> None:
    """OUT/sweep.jsonl and OUT/sweep.html, and the metrics as a table."""
    from polarprior.files import write_atomically
    from polarprior.measure.sweep_report import metric_table, sweep_html

    about = {"model": model, "reference": reference, "real": measuring.judge.count, "samples": measuring.samples}
    lines = [json.dumps({**about, **row.to_dict()}, sort_keys=True) for row in rows]
    write_atomically(out / "sweep.jsonl", "".join(f"{line}\n" for line in lines).encode())
    page = sweep_html(model, rows, seeds, measuring, reference, options.sampler, ends)
    write_atomically(out / "sweep.html", page)
    for space in rows[0].metrics:
        sizes = f"{measuring.judge.count} images, {measuring.sets} sets of {measuring.samples} draws"
        click.echo(f"\nagainst {reference}, {space}, {sizes}:")
        click.echo(table(metric_table(rows, space, measuring)))
    click.echo(f"{out / 'sweep.html'}: open it in a browser; {out / 'sweep.jsonl'}: a row a line")
