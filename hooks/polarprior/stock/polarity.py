"""What a user asks of a stock script: the options that the launcher and a patched script take."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from polarprior.errors import UsageError


@dataclass(frozen=True)
class Polarity:
    """The polarity prior that is asked for.

    Attributes:
        rho: the polarity; 0 leaves the script's own latents alone.
        bank: path of the bank, absolute.
        force: go beyond the bank's limits of rho.
        joint: draw classes with the latents.
    """

    rho: float
    bank: Path
    force: bool = False
    joint: bool = False


@dataclass(frozen=True)
class Asked:
    """What the options came to: a polarity or none, and a device or, where None, the script's own."""

    polarity: Polarity | None = None
    device: str | None = None


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--polarity", "rho"), {"type": float, "metavar": "RHO", "help": "Below 0 modes, above 0 anti-modes."}),
    (("--bank",), {"metavar": "FILE", "help": "Bank of the network's latents (polarprior bank build)."}),
    (("--force",), {"is_flag": True, "help": "Go beyond the limits of rho, where a few latents take all."}),
    (("--joint",), {"is_flag": True, "help": "Let polarity choose the class too, in a script that draws them all."}),
    (("--device",), {"help": "In place of the script's cuda; the CPU where there is none."}),
)


def polarity_options(function: Callable[..., Any], expose_value: bool = True) -> Callable[..., Any]:
    """Decorate the function of a click command with the options; it gets their values where `expose_value`."""
    for names, attributes in reversed(_OPTIONS):
        function = click.option(*names, expose_value=expose_value, **attributes)(function)
    return function


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Show the options in an argparse parser's help, and have it read over them: `taken` is what reads them."""
    for names, attributes in _OPTIONS:
        flags = [name for name in names if name.startswith("--")]
        shown = {
            "metavar": attributes.get("metavar", flags[0].removeprefix("--").upper()),
            "help": attributes["help"],
        }
        parser.add_argument(*flags, action=_ReadElsewhere, nargs=0 if "is_flag" in attributes else None, **shown)


class _ReadElsewhere(argparse.Action):
    """An option that leaves nothing in the namespace: scripts hand theirs on."""

    def __init__(self, **attributes: Any):
        super().__init__(**{**attributes, "dest": argparse.SUPPRESS, "default": argparse.SUPPRESS})

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        """Nothing is left to be done, unless it is an abbreviation, which `taken` does not know."""
        if not any(word.split("=")[0] == option_string for word in sys.argv[1:]):
            parser.error(f"write {option_string} in full")


def taken(arguments: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """The options out of a script's arguments, in both spellings (``--bank FILE``, ``--bank=FILE``), and the rest.

    What follows ``--`` is the script's.

    >>> taken(["--seeds", "0-3", "--polarity=-0.1", "--bank", "b.safetensors"])
    ({'rho': -0.1, 'bank': 'b.safetensors', 'force': False, 'joint': False, 'device': None}, ['--seeds', '0-3'])

    Raises:
        click.UsageError: an option without its value, or with one of the wrong kind.
    """
    context = _parser().make_context("polarprior run", list(arguments))
    return context.params, context.args


def help_text() -> str:
    """The options as a script's ``--help`` shows them."""
    parser, formatter = _parser(), click.HelpFormatter()
    records = [option.get_help_record(click.Context(parser)) for option in parser.params]
    with formatter.section("Options of polarprior"):
        formatter.write_dl([record for record in records if record])
    return formatter.getvalue()


def asked(rho: float | None, bank: str | None, force: bool, joint: bool, device: str | None) -> Asked:
    """The options' values, checked against each other.

    Raises:
        UsageError: a polarity that is no finite number or has no bank, or another option of it without a polarity.
    """
    if rho is None:
        for name, given in (("bank", bank), ("force", force), ("joint", joint)):
            if given:
                raise UsageError(f"{name}: given without rho=RHO", "add such as rho=-0.1")
        return Asked(None, device)
    if not math.isfinite(rho):
        raise UsageError(f"rho: got {rho}, expected a finite number", "use such as rho=-0.1")
    if bank is None:
        raise UsageError(
            f"bank: got none, and rho={rho:g} needs that of the network's latents",
            "add bank=FILE; polarprior bank build makes one",
        )
    return Asked(Polarity(rho, Path(bank).absolute(), force, joint), device)


def _parser() -> click.Command:
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.command(add_help_option=False, context_settings=settings)(polarity_options(lambda **values: None))
