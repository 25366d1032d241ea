"""`polarprior measure`: metrics of a model as it is, without a bank."""

from __future__ import annotations

import json
from typing import Any

import click

from polarprior.cli.measuring import OPTIONS, metric_options
from polarprior.cli.opening import label_of, open_model
from polarprior.cli.options import class_option, json_option, loading_options, model_argument, settings_options
from polarprior.saying import say
from polarprior.tables import table


@click.command(short_help="FID and other metrics of a model as it is.")
@model_argument
@click.argument("reference", metavar="IMAGES")
@class_option
@settings_options
@metric_options
@json_option
@loading_options
def measure(
    model: str,
    reference: str,
    label: str | None,
    trunc: float | None,
    own: tuple[tuple[str, str], ...],
    as_json: bool,
    **given: Any,
) -> None:
    """Compare MODEL's own pictures, of the stock seeds 0, 1, ..., with real IMAGES; no bank is needed.

    IMAGES is a folder, a zip, an idx file or an .npz, best of images that the model was not trained on. Of a model
    with an encoder its reconstructions of IMAGES are measured too: rmse (pixels of 0 to 255) and, in a space with a
    classifier, RID (1 is best) and agreement, the share of reconstructions that keep their class.
    """
    from polarprior.api.draws import measure as measured
    from polarprior.sweeps.comparing import Comparison
    from polarprior.sweeps.model_metrics import to_dict

    comparison = Comparison(reference, **{name: given.pop(name) for name in OPTIONS})
    comparison.opened()  # or an error, before the model is loaded
    generator, _ = open_model(model, None, "none", {"trunc": trunc, **dict(own)}, given)
    found = measured(generator, comparison, label=label_of(generator, label))
    if as_json:
        return say(json.dumps(to_dict(found), indent=1))
    rows = [
        (space, name, f"{value:.5g}", "" if deviation is None else f"{deviation:.2g}")
        for space, figures in found.items()
        for name, (value, deviation) in figures.items()
    ]
    return say(table([("space", "metric", "value", "deviation"), *rows]))
