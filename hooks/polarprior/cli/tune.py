"""`polarprior tune`: the rho (and the truncation) that a metric wants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from polarprior.cli.measuring import comparison_of, metric_options, reference_option
from polarprior.cli.opening import label_of, open_models_and_banks
from polarprior.cli.options import (
    banks_option,
    json_option,
    law_options,
    loading_options,
    model_argument,
)
from polarprior.errors import UsageError
from polarprior.saying import say, with_error
from polarprior.tables import table

if TYPE_CHECKING:
    from polarprior.sweeps.tuning import Tried, Tuned

OF_THE_LAW = ("label", "sampler", "support", "hold", "trunc", "k", "device", "sha256")
"""Options that the command which follows must have as well."""


@click.command(short_help="Search the rho that a metric wants.")
@model_argument
@banks_option("Bank of the model's latents; of several, of other truncations, the best is taken.")
@click.option(
    "--minimise", type=click.Choice(["fid", "kid", "transport"]), help="Look for the lowest value of this metric."
)
@click.option(
    "--precision",
    type=float,
    help="Look for the gentlest rho, the nearest to 0, of at least this precision, between 0 and 1.",
)
@click.option(
    "--recall",
    type=float,
    help="Look for the gentlest rho, the nearest to 0, of at least this recall, between 0 and 1.",
)
@reference_option
@metric_options
@json_option
@law_options
@loading_options
def tune(
    model: str,
    banks: tuple[Path, ...],
    minimise: str | None,
    precision: float | None,
    recall: float | None,
    as_json: bool,
    label: str | None,
    trunc: float | None,
    own: tuple[tuple[str, str], ...],
    device: str | None,
    sha256: str | None,
    **given: Any,
) -> None:
    """The rho for MODEL that minimises a metric, or reaches a precision or recall, within the limits of its bank.

    Exactly one of --minimise, --precision and --recall. The last line is the command that draws with what was found.
    """
    from polarprior.api.draws import tune as search
    from polarprior.samplers.contract import SamplerOptions
    from polarprior.sweeps.tuning import TuneOptions

    if given["reference"] is None:
        raise UsageError("reference: none given", "name real images: a folder, a zip, an idx file or an .npz")
    comparison = comparison_of(given, banks)
    assert comparison is not None
    options = TuneOptions(comparison, minimise, precision, recall)
    options.check()
    first, *others = open_models_and_banks(
        model, banks, {"trunc": trunc, **dict(own)}, {"device": device, "sha256": sha256}
    )
    asked = SamplerOptions(label=label_of(first[0], label), **given)
    options = TuneOptions(comparison, minimise, precision, recall, asked, others)
    found = search(*first, options, tried=lambda each: say(_line(each, comparison.metric_space[0]), err=True))
    if as_json:
        say(json.dumps(found.to_dict()))
        return
    _print(found)
    say("next: " + " ".join(_following(model, found.rho, found.bank.place if banks else None)))


def _print(found: Tuned) -> None:
    space, comparison, metric = found.space, found.options.comparison, found.options.metric
    pair, change = (found.plain, found.chosen), found.chosen.change[space]
    lines = [
        ("rho", "tilt", *found.chosen.metrics[space]),
        *((f"{each.rho:g}", f"{each.tilt:.2f}", *map(str, each.metrics[space].values())) for each in pair),
        ("change", "", *(f"{with_error(each.mean, each.half, '+')} (95%)" for each in change.values())),
    ]
    say(table(lines))
    if found.chosen.rho and not found.told_apart:
        say(
            f"{metric} at rho {found.chosen.rho:g} can't be told from that at 0 in {comparison.sets} sets of "
            f"{comparison.samples}: stay with 0, or look closer with more --samples, --sets and rows of the bank"
        )


def _following(model: str, rho: float, bank: str | Path | None) -> list[str]:
    """The command that draws at rho, with the options of the law that this one was given."""
    words = ["polarprior", "sample", model, f"--polarity={rho:g}", *(["--bank", str(bank)] if bank else [])]
    context = click.get_current_context()
    for parameter in context.command.params:
        value = context.params.get(str(parameter.name))
        given = context.get_parameter_source(str(parameter.name)) == ParameterSource.COMMANDLINE
        if parameter.name == "own" and value:
            words += [word for name, each in value for word in ("--set", f"{name}={each}")]
        elif parameter.name in OF_THE_LAW and given and value not in (None, ()):
            words += [parameter.opts[0], ",".join(value) if isinstance(value, tuple) else str(value)]
    return [*words, "--seeds", "0-15", "--out", "tuned"]


def _line(each: Tried, space: str) -> str:
    trunc = "" if each.trunc is None else f"trunc {each.trunc:g}, "
    values = ", ".join(f"{name} {spread.mean:.4g}" for name, spread in each.metrics[space].items())
    return f"{trunc}rho {each.rho:g} (tilt {each.tilt:.2f}): {values}"
