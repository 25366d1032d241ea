"""What commands share that compare draws with real images: options, and what they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from polarprior.cli.types import NameList
from polarprior.errors import UsageError

if TYPE_CHECKING:
    from polarprior.sweeps.comparing import Comparison

OPTIONS = ("metrics", "metric_space", "samples", "sets")

reference_option = click.option(
    "--reference",
    help="Real images: a folder, a zip, an idx file or an .npz; or 'prior', the model's own pictures.",
)


def metric_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--metrics``, ``--metric-space``, ``--samples`` and ``--sets``."""
    for option in (
        click.option(
            "--sets",
            type=int,
            default=3,
            show_default=True,
            help="Sets of draws, for error bars; of a bank each has a part of its own.",
        ),
        click.option("--samples", type=int, default=1000, show_default=True, help="Draws a set."),
        click.option(
            "--metric-space",
            type=NameList(),
            default="perceptual:efficientnet-lite0",
            show_default=True,
            help="Where images are compared; of several, comma-separated, tune aims at the first.",
        ),
        click.option(
            "--metrics",
            type=NameList(),
            default="fid,pr",
            show_default=True,
            help="Some of fid, kid, pr (precision and recall), dc (density, coverage), transport (a debiased "
            "Wasserstein distance), is (the Inception score, of the classifier SPACE-logits), ppl (perceptual path "
            "length between draws: how fast pictures change) and ppl-w (the same between styles).",
        ),
    ):
        command = option(command)
    return command


def comparison_of(given: dict[str, Any], banks: tuple[Path, ...]) -> Comparison | None:
    """Take `metric_options` and ``--reference`` out of what was given; None without a reference.

    Raises:
        UsageError: one of the options without a reference, or own pictures where models differ.
    """
    context = click.get_current_context()
    reference, options = given.pop("reference"), {name: given.pop(name) for name in OPTIONS}
    for name in OPTIONS:
        if reference is None and context.get_parameter_source(name) == ParameterSource.COMMANDLINE:
            raise UsageError(f"{name}: given without --reference", "name real images, or --reference prior")
    if reference is None:
        return None
    from polarprior.sweeps.comparing import OWN, Comparison

    if reference == OWN and len(banks) > 1:
        raise UsageError(
            f"reference: got prior for {len(banks)} banks, whose models differ", "name real images, or one bank"
        )
    return Comparison(reference, **options)
