"""`polarprior bank push`, `pull` and `find`: banks on the Hugging Face Hub."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polarprior.cli.options import bank_argument, json_option, loading_options, model_argument, settings_of
from polarprior.hub.name import hub_name
from polarprior.saying import say

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.bank.from_hub import SharedBank


@click.command(short_help="Put a bank on the Hugging Face Hub.")
@bank_argument
@click.argument("repository", metavar="USER/NAME")
@click.option(
    "--licence",
    help="Licence of the bank, as the Hub calls it, such as cc-by-nc-4.0 or other; needed where the checkpoint's "
    "authors state one.",
)
@click.option(
    "--private", is_flag=True, help="Make a repository that only you see; one that is there already must be such."
)
def push(path: Path, repository: str, licence: str | None, private: bool) -> None:
    """Put BANK on the Hub as USER/NAME, with a card that says what it is valid for and how far rho may go.

    It needs pip install "polarprior[hub]", and hf auth login. Run the same command again if it was interrupted: what
    has been sent is not sent again.
    """
    from polarprior.api.banks import push_bank
    from polarprior.bank.bank import Bank

    say(push_bank(Bank.open(path), repository, licence=licence, private=private))


@click.command(short_help="Fetch a bank from the Hugging Face Hub.")
@click.argument("repository", metavar="USER/NAME[@REVISION][/FILE]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder that its files are copied to; if not given, they stay in the cache alone.",
)
def pull(repository: str, out: Path | None) -> None:
    """Fetch a bank from the Hub into the cache, check all of it, and print its name and its path.

    REVISION is a branch, a tag or a commit, the newest if not given; FILE is needed where a repository holds several
    banks. --bank takes the name that is printed, which needs no network any more. A damaged bank is fetched again.
    """
    from polarprior.bank.bank import Bank
    from polarprior.bank.from_hub import fetched

    _, name = fetched(hub_name(repository), whole=True)
    bank = Bank.open(str(name))
    path = bank.files[-1]
    if out is not None:
        _copy(bank, out)
        path = out / path.name
    say(f"{bank.origin}\n{path}")


def _copy(bank: Bank, out: Path) -> None:
    """Copy a bank's files to a folder, the index last; PolarPriorError where a bank of its name is there."""
    from polarprior.bank.index import base_of, find
    from polarprior.errors import PolarPriorError
    from polarprior.files import writing_atomically

    assert bank.path is not None
    there = find(base_of(out / bank.path.name))
    if there.exists():
        raise PolarPriorError(f"out: {there} is there already", "name another folder, or remove it")
    for file in bank.files:
        with writing_atomically(out / file.name) as temporary:
            shutil.copyfile(file, temporary)


@click.command(short_help="Look for banks of a model on the Hub.")
@model_argument
@settings_of("the model's default")
@loading_options
@json_option
def find(model: str, trunc: float | None, own: tuple[tuple[str, str], ...], as_json: bool, **loading: Any) -> None:
    """Look for banks on the Hub for this very MODEL, by the fingerprint of its weights.

    Banks with MODEL's settings come first. The list says what they say of themselves: a bank is checked when it is
    fetched.
    """
    from polarprior.api.banks import find_banks
    from polarprior.api.models import load

    settings: dict[str, Any] = {"trunc": trunc, **dict(own)}
    generator = load(model, **loading, **settings)
    found = find_banks(generator)
    if as_json:
        say(json.dumps([as_dict(bank) for bank in found]))
        return
    for bank in found:
        say(f"{bank.name}: {line_of(bank)}")
    if not found:
        say(f"no bank of {model} on the Hub; build one: polarprior bank build {model} -n 10000 --out BANK", err=True)


def as_dict(bank: SharedBank) -> dict[str, Any]:
    """A bank on the Hub, for JSON."""
    info = {**asdict(bank.info), "settings": bank.info.settings.to_dict()}
    return {"name": str(bank.name), "checked": False, "rows": bank.rows, "size": bank.size, **info}


def told(bank: SharedBank, as_json: bool) -> str:
    """What a bank on the Hub says of itself and its card does, for `polarprior bank info`."""
    from polarprior.reports.bank_report import fields_text

    if as_json:
        return json.dumps(as_dict(bank), indent=2)
    said = "not checked: a draw, or polarprior bank pull, fetches and checks it. It says of itself:"
    fields = fields_text(bank.info, bank.rows, bank.size)
    text = re.sub(r"\A---\r?\n.*?\n---\r?\n", "", bank.card, flags=re.S)
    return f"{bank.name}\n{said}\n\n{fields}\n\nIts card, not checked either:\n{text or 'none'}"


def line_of(bank: SharedBank) -> str:
    """What a bank on the Hub says of itself, in one line."""
    from polarprior.saying import size_text

    info = bank.info
    settings = ", ".join(f"{name} {value}" for name, value in info.settings.given().items())
    of = f"k {info.k}, space {info.space}, domain {info.domain}" + (f", {settings}" if settings else "")
    return f"{bank.rows:,} latents, {of}, {size_text(bank.size)}"


COMMANDS = (push, pull, find)
