"""`polarprior sweep`: what a range of polarities does, in pictures, diagnostics and metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarprior.cli.measuring import comparison_of, metric_options, reference_option
from polarprior.cli.opening import label_of, open_models_and_banks
from polarprior.cli.options import (
    banks_option,
    force_option,
    law_options,
    loading_options,
    model_argument,
)
from polarprior.cli.types import NumberList, RhoList
from polarprior.errors import PolarPriorError, UsageError
from polarprior.saying import say
from polarprior.tables import table

if TYPE_CHECKING:
    from polarprior.law.diagnostics import Diagnostics
    from polarprior.sweeps.sweep import Sweep

HEADS = ("rho", "tilt", "ESS", "k-hat", "largest weight", "distinct", "mean log-volume")


@click.command(short_help="Pictures and metrics over a range of polarities.")
@model_argument
@banks_option("Bank of the model's latents; several, of other truncations, give a curve each.")
@click.option("--polarity", "polarities", type=RhoList(), help="rho values; five inside the limits if not given.")
@click.option(
    "--tilt", "tilts", type=RhoList(), metavar="T,T,...", help="The same as tilts, which are as strong in any model."
)
@click.option(
    "--truncations",
    type=RhoList(),
    metavar="PSI,PSI,...",
    help="Truncations of the model's own prior, to compare with.",
)
@click.option("--seeds", type=NumberList(), help="Columns; the bank's first eight if not given.")
@click.option("--out", required=True, type=click.Path(path_type=Path, readable=False), help="Folder.")
@reference_option
@metric_options
@law_options
@force_option
@loading_options
def sweep(
    model: str,
    banks: tuple[Path, ...],
    polarities: list[float] | None,
    tilts: list[float] | None,
    truncations: list[float] | None,
    seeds: list[int] | None,
    out: Path,
    label: str | None,
    trunc: float | None,
    own: tuple[tuple[str, str], ...],
    device: str | None,
    sha256: str | None,
    **given: Any,
) -> None:
    """Pictures of MODEL over a range of polarities, with their diagnostics: OUT/sweep.png and sweep.json.

    With --reference also metrics against those images, with error bars over sets of draws: OUT/sweep.jsonl, a row a
    line, and OUT/sweep.html, which needs nothing beside it.
    """
    from polarprior.api.draws import sweep as swept
    from polarprior.api.models import load
    from polarprior.files import check_writable
    from polarprior.reports.plots import check_matplotlib
    from polarprior.samplers.contract import SamplerOptions
    from polarprior.sweeps.sweep import SweepOptions

    check_writable(out / "sweep.json")
    comparison = comparison_of(given, banks)
    if truncations and comparison is None:
        raise UsageError("truncations: given without --reference", "name real images, or --reference prior")
    if comparison:
        check_matplotlib()
        comparison.opened()  # or an error, before the model is loaded
    first, *others = open_models_and_banks(
        model, banks, {"trunc": trunc, **dict(own)}, {"device": device, "sha256": sha256}
    )
    asked = SamplerOptions(label=label_of(first[0], label), **given)
    settings: dict[str, Any] = dict(own)
    alone = [load(model, device, sha256=sha256, **{**settings, "trunc": psi}) for psi in truncations or ()]
    options = SweepOptions(polarities, seeds, asked, comparison, others, alone, tilts)
    done: list[Sweep] = []

    def keep(found: Sweep) -> None:
        done.append(found)
        _write_rows(found, out)

    try:
        write_sweep(swept(*first, options, told=keep), out)
    except KeyboardInterrupt:
        if not done:
            raise
        rows = len(done[-1].rows)
        raise PolarPriorError(
            f"interrupted: {rows} {'row is' if rows == 1 else 'rows are'} in {out / 'sweep.json'}",
            "name the others with --polarity or --tilt, and another --out, to go on",
        ) from None


def write_sweep(found: Sweep, out: Path) -> None:
    """Write a sweep into `out`, and print its tables."""
    from polarprior.files import write_atomically
    from polarprior.images.pictures import png_bytes
    from polarprior.reports.sweep_report import metric_table, sweep_html, verdicts

    write_atomically(out / "sweep.png", png_bytes(found.picture()))
    _write_rows(found, out)
    reports = found.reports
    say(table([HEADS, *[_cells(report) for report in reports]]))
    limits = f"limits of rho {reports[0].limits}, of the tilt {reports[0].tilt_limits}"
    say(f"k {reports[0].k}, {limits}; distinct: expected in {reports[0].draws} draws")
    for report in reports:
        for moment in report.moments:
            say(f"rho {report.rho:g}, {'held' if moment.held else 'moved'}: {moment}")
    say(f"{out / 'sweep.png'}: {len(found.rows)} rows, {len(found.seeds)} seeds")
    measuring, comparison = found.measuring, found.options.comparison
    if measuring is None or comparison is None:
        return
    write_atomically(out / "sweep.html", sweep_html(found))
    for line in verdicts(found):
        say(line)
    sizes = f"{measuring.judge.count} images, {measuring.sets} sets of {measuring.samples} draws"
    for space in found.rows[0].metrics:
        say(f"\nagainst {comparison.reference}, {space}, {sizes}:")
        say(table(metric_table(found.rows, space, measuring)))
    say(f"{out / 'sweep.html'}: open it in a browser; {out / 'sweep.jsonl'}: a row a line")


def _write_rows(found: Sweep, out: Path) -> None:
    from polarprior.files import write_atomically

    write_atomically(out / "sweep.json", json.dumps(found.to_dict(), indent=1, sort_keys=True).encode())
    lines = [json.dumps(line, sort_keys=True) for line in found.lines()]
    if lines:
        write_atomically(out / "sweep.jsonl", "".join(f"{line}\n" for line in lines).encode())


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
