"""docs/arguments.md, from what public functions say of their arguments: python tests/arguments_page.py writes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from inspect import Parameter, isfunction, signature
from pathlib import Path
from typing import Any

import polarprior as pp
from polarprior.arguments import Domain

PAGE = Path(__file__).parent.parent / "docs" / "arguments.md"
HEAD = """\
# What each argument may be

Public functions look at their arguments before they do anything else. A value outside what is listed here is refused
with a `UsageError` that begins with the argument's name; nothing has been drawn or written then. Values may still be
refused later, where they don't fit a model or a bank: a class that the model has not, a k that the bank doesn't hold.
Written by `python tests/arguments_page.py`.
"""


def public() -> Iterator[tuple[str, Callable[..., Any] | type]]:
    """Functions and methods that users call, and classes whose fields are options: name and object."""
    for name in pp.__all__:
        found = getattr(pp, name)
        if (isfunction(found) and name not in ("hookimpl", "hookspec")) or (
            is_dataclass(found) and hasattr(found, "DOMAINS")
        ):
            yield name, found
    for name in ("open", "save", "log_volume", "rows_of"):
        yield f"Bank.{name}", getattr(pp.Bank, name)
    yield "Generator.__call__", pp.Generator.__call__
    yield "LatentPrior.draw", pp.LatentPrior.draw


def domains_of(found: Any) -> dict[str, Domain]:
    """What it says of its arguments."""
    given: dict[str, Domain] = found.DOMAINS if isinstance(found, type) else getattr(found, "domains", {})
    return given


def parameters_of(found: Any) -> list[str]:
    """Its arguments, or its fields."""
    if isinstance(found, type):
        return [field.name for field in fields(found)]
    parameters = signature(found).parameters.values()
    return [
        each.name
        for each in parameters
        if each.kind is not Parameter.VAR_KEYWORD and each.name not in ("self", "cls")
    ]


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, found in public():
        rows = [
            f"| `{each}` | {domain.says}{', or None' if domain.none else ''} |"
            for each, domain in domains_of(found).items()
        ]
        parts += [f"\n## `{name}`\n", "| argument | expected |\n|---|---|", *rows]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
