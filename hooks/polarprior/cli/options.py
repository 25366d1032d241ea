"""What several commands share: options, lists of seeds, tables, and opening a model with its bank."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator


class NumberList(click.ParamType):
    """``0,1,4-6`` to [0, 1, 4, 5, 6], as the stock scripts write seeds."""

    name = "list"
    limit = 1_000_000

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Parse; a usage error for anything but whole numbers and rising ranges."""
        if isinstance(value, list):
            return value
        numbers: list[int] = []
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*(\d{1,12})(?:\s*-\s*(\d{1,12}))?\s*", part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
            if last < first or last - first + len(numbers) >= self.limit:
                self.fail(f"got {str(value)[:60]!r}, expected numbers and ranges such as 0,1,4-6", param, ctx)
            numbers += range(first, last + 1)
        return numbers


class ClassList(NumberList):
    """``0,4-6,golden_retriever`` to ["0", "4", "5", "6", "golden_retriever"]: numbers and names of classes."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[Any]:
        """Parse; a usage error for ranges that don't rise."""
        if isinstance(value, list):
            return value
        classes: list[Any] = []
        for part in str(value).split(","):
            is_name = re.search(r"[^\d\s-]", part) is not None
            classes += [part] if is_name else map(str, super().convert(part, param, ctx))
        return classes


class RhoList(click.ParamType):
    """``-0.1,0,0.1`` to [-0.1, 0.0, 0.1]."""

    name = "rho,rho,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        """Parse; a usage error for anything but numbers."""
        if isinstance(value, list):
            return value
        try:
            return [float(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"got {str(value)[:60]!r}, expected numbers such as -0.1,0,0.1", param, ctx)


class NameList(click.ParamType):
    """``contrast,brightness`` to ("contrast", "brightness")."""

    name = "name,name,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse."""
        return value if isinstance(value, tuple) else tuple(part.strip() for part in str(value).split(",") if part)


class Bytes(click.ParamType):
    """``4G``, ``500M`` or a plain number of bytes; K, M and G are powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse; a usage error for anything else."""
        match = re.fullmatch(r"(\d{1,15})([KMG]?)", str(value).strip().upper())
        if not match:
            self.fail(f"got {str(value)[:60]!r}, expected a size such as 4G or 500M", param, ctx)
        return int(match[1]) * 1024 ** " KMG".index(match[2] or " ")


model_argument = click.argument("model")
bank_argument = click.argument("path", metavar="BANK", type=click.Path(path_type=Path, readable=False))
bank_option = click.option(
    "--bank",
    "bank_path",
    type=click.Path(path_type=Path, readable=False),
    help="Bank of the model's latents; the plugin's own where it brings one.",
)
k_option = click.option("-k", "k", type=int, help="Use the top K singular values; all of the bank's if not given.")
force_option = click.option(
    "--force", is_flag=True, help="Go beyond the limits of rho, where a few latents take all."
)
class_number_option = click.option("--class", "label", type=int, help="Class, by number, of a conditional model.")
class_option = click.option("--class", "class_name", help="Class of a conditional model: its number, or its name.")
trunc_option = click.option("--trunc", type=float, help="Truncation; that of the bank if not given.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


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
            help="prior: as it is; shell: |z| as the prior has it; clamp: log-volumes clipped, for a large rho.",
        ),
        click.option(
            "--sampler",
            default="bank",
            show_default=True,
            help="bank: its rows; online: fresh latents; paper-online: to compare; or a plugin.",
        ),
    ):
        command = option(command)
    return command


def open_model_and_bank(
    model: str,
    bank_path: Path | None,
    trunc: float | None = None,
    temperature: float | None = None,
    **loading: Any,
) -> tuple[Generator, Bank]:
    """The generator with the settings of its bank, and the bank; the plugin's own where none is named.

    Raises:
        UsageError: no bank.
        BankError: the bank is damaged, or doesn't fit, such as one for another `trunc`.
    """
    from polarprior.bank.bank import Bank
    from polarprior.errors import UsageError
    from polarprior.host import default_host
    from polarprior.settings import Settings

    if bank_path is not None:
        bank = Bank.open(bank_path)
        settings = bank.info.settings.given()
        settings |= Settings(trunc=trunc, temperature=temperature).given()
        generator = default_host().load(model, **loading, **settings)
    else:
        generator = default_host().load(model, trunc=trunc, temperature=temperature, **loading)
        if generator.default_bank is None:
            raise UsageError(
                f"--bank: none given, and {model} brings none",
                f"build one: polarprior bank build {model} -n 10000 --out bank.safetensors",
            )
        bank = Bank.open(generator.default_bank)
    bank.check_fits(generator)
    return generator, bank


def label_of(generator: Generator, class_name: str | None) -> int | None:
    """A class by number or name, as its number; UsageError unless the model has it, or needs none and got none."""
    label = None if class_name is None else generator.class_index(class_name)
    generator.check(generator.prior.draw([0], label))
    return label


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first one the heads, as aligned text."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
