"""`polarprior tune`: the rho (and the truncation) that a metric wants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from polarprior.cli.measuring import check_measured, metric_options, open_judge, opened, reference_option
from polarprior.cli.options import (
    class_option,
    json_option,
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
    from polarprior.measure.tuning import Tried

OF_THE_LAW = ("class_name", "sampler", "support", "hold", "trunc", "k", "device", "sha256")
"""Options that the command which follows must have as well."""


@click.command()
@model_argument
@click.option(
    "--bank",
    "banks",
    multiple=True,
    type=click.Path(path_type=Path, readable=False),
    help="Bank of the model's latents; of several, of other truncations, the best is taken.",
)
@click.option(
    "--minimise", type=click.Choice(["fid", "kid", "transport"]), help="Look for the lowest value of this metric."
)
@click.option("--precision", type=float, help="Look for the smallest |rho| of at least this precision.")
@click.option("--recall", type=float, help="Look for the smallest |rho| of at least this recall.")
@reference_option
@metric_options
@json_option
@class_option
@sampler_options
@trunc_option
@k_option
@loading_options
def tune(
    model: str,
    banks: tuple[Path, ...],
    minimise: str | None,
    precision: float | None,
    recall: float | None,
    reference: str | None,
    metrics: tuple[str, ...],
    spaces: tuple[str, ...],
    samples: int,
    sets: int,
    as_json: bool,
    class_name: str | None,
    sampler: str,
    support: str,
    hold: tuple[str, ...],
    trunc: float | None,
    k: int | None,
    **loading: Any,
) -> None:
    """The rho for MODEL that minimises a metric, or reaches a precision or recall, within the limits of its bank.

    Exactly one of --minimise, --precision and --recall. The last line is the command that draws with what was found.
    """
    from polarprior.errors import PolarPriorError, UsageError
    from polarprior.measure.sweep import Measuring, as_dict
    from polarprior.measure.tuning import tune as search

    aims = {"--minimise": minimise, "--precision": precision, "--recall": recall}
    given = [name for name, aim in aims.items() if aim is not None]
    if len(given) != 1:
        raise UsageError(f"--minimise: got {' and '.join(given) or 'no aim'}, expected one aim", "use --minimise fid")
    for name in given:
        if name != "--minimise" and not 0 < float(str(aims[name])) <= 1:
            raise UsageError(f"{name}: got {aims[name]}, expected a share, above 0 and up to 1", f"use {name} 0.8")
    if reference is None:
        raise UsageError("--reference: none given", "name real images: a folder, a zip, an idx file or an .npz")
    check_measured(reference, banks)
    metric = minimise or given[0].removeprefix("--")
    target = precision if precision is not None else recall
    needed = metric if minimise else "pr"
    wanted = (needed, *[each for each in metrics if each != needed])
    options = {"sampler": sampler, "k": k, "support": support, "hold": hold}

    def told(each: Tried) -> None:
        click.echo(_line(each, spaces[0]), err=True)

    best: list[tuple[Tried, Tried, Path | None]] = []
    measuring, failed = None, None
    for path in banks or (None,):
        generator, bank = open_model_and_bank(model, path, trunc, **loading)
        label = label_of(generator, class_name)
        if measuring is None:
            judge = open_judge(generator, opened(reference), label, wanted, spaces, samples, sets)
            measuring = Measuring(judge, samples, sets)
        try:
            found = search(generator, bank, measuring, metric, target, label=label, tried=told, **options)
        except PolarPriorError as error:
            failed = error
            continue
        best.append((found[0], next(each for each in found if each.diagnostics.rho == 0), path))
    if not best:
        assert failed is not None
        raise failed
    if target is None:
        chosen, plain, path = min(best, key=lambda each: each[0].metrics[spaces[0]][metric].mean)
    else:
        chosen, plain, path = min(best, key=lambda each: each[0].diagnostics.tilt)
    rho = chosen.diagnostics.rho
    change = chosen.change[spaces[0]]
    told_apart = abs(change[metric].mean) > change[metric].half
    if as_json:
        document = {"rho": rho, "trunc": chosen.trunc, "bank": path and str(path), "told_apart_from_0": told_apart}
        measured = {"metrics": as_dict(chosen.metrics), "change": as_dict(chosen.change)}
        click.echo(json.dumps({**document, "diagnostics": chosen.diagnostics.to_dict(), **measured}))
        return
    spreads = chosen.metrics[spaces[0]]
    lines = [
        ("rho", *spreads),
        *((f"{e.diagnostics.rho:g}", *map(str, e.metrics[spaces[0]].values())) for e in (plain, chosen)),
    ]
    click.echo(
        table([*lines, ("change", *(f"{each.mean:+.4g} ± {each.half:.2g} (95%)" for each in change.values()))])
    )
    if rho and not told_apart:
        click.echo(
            f"{metric} at rho {rho:g} can't be told from that at 0 in {sets} sets of {samples}: stay with 0, or look "
            f"closer with more --samples, --sets and rows of the bank"
        )
    click.echo("next: " + " ".join(_following(model, rho if told_apart else 0.0, path)))


def _following(model: str, rho: float, bank: Path | None) -> list[str]:
    """The command that draws at rho, with the options of the law that this one was given."""
    words = ["polarprior", "sample", model, f"--polarity={rho:g}", *(["--bank", str(bank)] if bank else [])]
    context = click.get_current_context()
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        given = context.get_parameter_source(str(parameter.name)) == ParameterSource.COMMANDLINE
        if parameter.name in OF_THE_LAW and given and value not in (None, ()):
            words += [parameter.opts[0], ",".join(value) if isinstance(value, tuple) else str(value)]
    return [*words, "--seeds", "0-15", "--out", "tuned"]


def _line(each: Tried, space: str) -> str:
    trunc = "" if each.trunc is None else f"trunc {each.trunc:g}, "
    values = ", ".join(f"{name} {spread.mean:.4g}" for name, spread in each.metrics[space].items())
    return f"{trunc}rho {each.diagnostics.rho:g}: {values}"
