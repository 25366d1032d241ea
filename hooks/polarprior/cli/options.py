"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from polarprior.cli.types import Assignment, NameList
from polarprior.stock.polarity import TILT_HELP

model_argument = click.argument("model")
bank_argument = click.argument("path", metavar="BANK", type=click.Path(path_type=Path, readable=False))
bank_option = click.option(
    "--bank",
    type=click.Path(path_type=Path, readable=False),
    help="Bank of the model's latents, a file or hf://USER/NAME; the plugin's own where it brings one.",
)


def banks_option(text: str) -> Callable[..., Any]:
    """``--bank``, several times."""
    path = click.Path(path_type=Path, readable=False)
    return click.option("--bank", "banks", multiple=True, type=path, help=text)


k_option = click.option("-k", "k", type=int, help="Use the top K singular values; all of the bank's if not given.")
force_option = click.option(
    "--force", is_flag=True, help="Go beyond the limits of rho, where a few latents take all."
)
tilt_option = click.option("--tilt", type=float, metavar="T", help=TILT_HELP)
class_number_option = click.option("--class", "label", type=int, help="Class, by number, of a conditional model.")
class_option = click.option("--class", "label", help="Class of a conditional model: its number, or its name.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def set_option(default: str) -> Callable[..., Any]:
    """``--set``, several times."""
    about = f"A setting that the model's plugin has of its own, such as steps=18; {default} if not given."
    return click.option("--set", "own", type=Assignment(), multiple=True, help=about)


def settings_of(default: str) -> Callable[..., Any]:
    """``--trunc`` and ``--set``: the settings that a model is opened with."""

    def options(command: Callable[..., Any]) -> Callable[..., Any]:
        trunc = click.option("--trunc", type=float, help=f"Truncation; {default} if not given.")
        return trunc(set_option(default)(command))

    return options


settings_options = settings_of("that of the bank")


def law_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--class``, ``--sampler``, ``--support``, ``--hold``, ``-k`` and the settings: which law is drawn."""
    for option in (k_option, settings_options, sampler_options, class_option):
        command = option(command)
    return command


def loading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--device`` and ``--sha256``: what `Host.load` takes besides the settings."""
    pin = click.option("--sha256", help="Open no other file than the one with this digest, as hex.")
    device = click.option("--device", help="Torch device; CUDA where there is one, else the CPU.")
    return device(pin(command))


def recipe_options(recipe: type, elsewhere: dict[str, str] | None = None) -> Callable[..., Any]:
    """`click.option` for the fields of a recipe, a dataclass: their defaults are shown, and None is given where
    nothing was typed.

    Args:
        recipe: the class.
        elsewhere: by field, words behind its default, where another holds in some cases.
    """

    def option(name: str, **kept: Any) -> Callable[..., Any]:
        field = name.strip("-").replace("-", "_")
        shown = f"{getattr(recipe, field)}{(elsewhere or {}).get(field, '')}"
        return click.option(name, default=None, show_default=False if kept.get("is_flag") else shown, **kept)

    return option


def sampler_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--sampler``, ``--support`` and ``--hold``: what is drawn, and how."""
    for option in (
        click.option(
            "--hold",
            type=NameList(),
            default=(),
            help="Image statistics that must not move: some of brightness, contrast, texture, saturation.",
        ),
        click.option(
            "--support",
            default="prior",
            show_default=True,
            help="Target: prior; shell, only latents as long as those of the prior; or clamp, log-volumes cut off at "
            "the ends of the bank. The last two are for a rho beyond the limits.",
        ),
        click.option(
            "--sampler",
            default="bank",
            show_default=True,
            help="Where latents come from: bank, its rows; online, fresh latents, at a few Jacobians a draw; "
            "paper-online, the paper's own algorithm, for comparison; or the name of a plugin that is a sampler.",
        ),
    ):
        command = option(command)
    return command
