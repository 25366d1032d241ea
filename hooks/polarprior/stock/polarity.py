"""What a user asks of a stock script: the options that the launcher and a patched script take."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from polarprior.errors import UsageError
from polarprior.strength import check_strength

TILT_HELP = (
    "In place of rho: rho times the standard deviation of the log-volume, so that -0.5 is as strong in any model."
)


@dataclass(frozen=True)
class Polarity:
    """The polarity prior that is asked for.

    Attributes:
        rho: the polarity; 0 leaves the script's own latents alone.
        bank: path of the bank, absolute, or its name on the Hub.
        force: go beyond the bank's limits of rho.
        joint: draw classes with the latents.
        tilt: in place of rho, see `polarprior.law.tilt.rho_at`.
    """

    rho: float
    bank: str | Path
    force: bool = False
    joint: bool = False
    tilt: float | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether the script's own latents are what is asked for."""
        return not (self.rho or self.tilt)


@dataclass(frozen=True)
class Asked:
    """What the options came to.

    Attributes:
        polarity: or none.
        device: the script's own where None.
        record: leave `polarprior.stock.record.NAME` beside the pictures.
    """

    polarity: Polarity | None = None
    device: str | None = None
    record: bool = True


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--polarity", "rho"), {"type": float, "metavar": "RHO", "help": "Below 0 modes, above 0 anti-modes."}),
    (("--tilt",), {"type": float, "metavar": "T", "help": TILT_HELP}),
    (("--bank",), {"metavar": "FILE", "help": "Bank of the network's latents (polarprior bank build)."}),
    (("--force",), {"is_flag": True, "help": "Go beyond the limits of rho, where a few latents take all."}),
    (("--joint",), {"is_flag": True, "help": "Let polarity choose the class too, in a script that draws them all."}),
    (("--no-record",), {"is_flag": True, "help": "Leave no polarprior.json beside the script's pictures."}),
    (("--device",), {"help": "In place of the script's cuda; the CPU where there is none."}),
)


def polarity_options(function: Callable[..., Any], expose_value: bool = True) -> Callable[..., Any]:
    """Decorate the function of a click command with the options; it gets their values where `expose_value`. Where
    not, their names are nobody else's: a script's own option may be called rho."""
    for names, attributes in reversed(_OPTIONS):
        flags = [name for name in names if name.startswith("--")]
        hidden = f"polarprior_{flags[0].removeprefix('--').replace('-', '_')}"
        called = names if expose_value else (*flags, hidden)
        function = click.option(*called, expose_value=expose_value, **attributes)(function)
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

    >>> options, words = taken(["--seeds", "0-3", "--polarity=-0.1", "--bank", "b.safetensors"])
    >>> options["rho"], options["tilt"], options["bank"], options["force"], words
    (-0.1, None, 'b.safetensors', False, ['--seeds', '0-3'])

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


def asked(
    rho: float | None,
    bank: str | None,
    force: bool,
    joint: bool,
    device: str | None,
    tilt: float | None = None,
    no_record: bool = False,
) -> Asked:
    """The options' values, checked against each other.

    Raises:
        UsageError: a polarity or tilt that is no finite number or has no bank, both of them, or another option of
            theirs without one.
    """
    name, strength = ("rho", rho) if tilt is None else ("tilt", tilt)
    if strength is None:
        for other, given in (("bank", bank), ("force", force), ("joint", joint), ("no_record", no_record)):
            if given:
                raise UsageError(f"{other}: given without rho=RHO or tilt=T", "add such as tilt=-0.5")
        return Asked(None, device)
    check_strength(rho, tilt)
    if bank is None:
        raise UsageError(
            f"bank: got none, and {name}={strength:g} needs that of the network's latents",
            "add bank=FILE; polarprior bank build makes one",
        )
    from polarprior.hub.name import is_on_hub

    where = bank if is_on_hub(bank) else Path(bank).absolute()
    return Asked(Polarity(rho or 0.0, where, force, joint, tilt), device, not no_record)


def _parser() -> click.Command:
    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    return click.command(add_help_option=False, context_settings=settings)(polarity_options(lambda **values: None))
