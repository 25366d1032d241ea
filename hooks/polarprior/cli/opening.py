"""Opening a model with its bank, as a command line names them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator

Want = Literal["needed", "welcome", "none"]
"""Whether a command needs a bank, takes the plugin's own where it brings one, or takes one only where it is named."""


def open_model(
    model: str, bank: Path | None, want: Want, settings: dict[str, Any], loading: dict[str, Any]
) -> tuple[Generator, Bank | None]:
    """The generator with the settings of its bank, and the bank; the plugin's own where none is named.

    Args:
        model: ``PLUGIN`` or ``PLUGIN:SOURCE``.
        bank: the bank that is named.
        want: what to do where none is.
        settings: trunc, temperature, and the plugin's own; those of the bank where they are None.
        loading: device and sha256.

    Raises:
        UsageError: no bank, where one is needed.
        BankError: the bank is damaged, or doesn't fit, such as one for another truncation.
    """
    from polarprior.api.models import load
    from polarprior.bank.bank import Bank
    from polarprior.errors import UsageError
    from polarprior.host import default_host

    default_host().plugins.require(model.partition(":")[0], "load_generator", model)
    if bank is not None:
        opened = Bank.open(bank)
        opened.check_made_by(model.partition(":")[0], model)  # else its settings may be none of that model
        known = opened.info.settings.given() | {name: value for name, value in settings.items() if value is not None}
        generator = load(model, **loading, **known)
    else:
        generator = load(model, **loading, **settings)
        if want == "none" or (want == "welcome" and generator.default_bank is None):
            return generator, None
        if generator.default_bank is None:
            raise UsageError(f"bank: none given, and {model} brings none", _without_bank(model, generator))
        opened = Bank.open(generator.default_bank)
    opened.check_fits(generator)
    return generator, opened


def _without_bank(model: str, generator: Generator) -> str:
    """What to type where a model has no bank: one of those that the Hub has, where it can be asked."""
    from polarprior.errors import PolarPriorError
    from polarprior.sharing.find import find
    from polarprior.stages import stage

    build = f"polarprior bank build {model} -n 10000 --out bank.safetensors"
    try:
        with stage("asking the Hub for banks of this model"):
            found = find(generator)
    except PolarPriorError:
        return f"build one: {build}; or look for one: polarprior bank find {model}"
    if not found:
        return f"build one, the Hub has none: {build}"
    return f"add {' or '.join(f'bank={bank.name}' for bank in found[:3])}, of the Hub; or build one: {build}"


def open_model_and_bank(
    model: str,
    bank: Path | None,
    settings: dict[str, Any] | None = None,
    **loading: Any,
) -> tuple[Generator, Bank]:
    """`open_model`, for a command that needs a bank."""
    generator, opened = open_model(model, bank, "needed", settings or {}, loading)
    assert opened is not None
    return generator, opened


def open_models_and_banks(
    model: str, banks: Sequence[Path], settings: dict[str, Any], loading: dict[str, Any]
) -> list[tuple[Generator, Bank]]:
    """The model with each bank that is named, or with the plugin's own where none is."""
    return [open_model_and_bank(model, bank, settings, **loading) for bank in banks or (None,)]


def label_of(generator: Generator, name: str | None) -> int | None:
    """A class by number or name, as its number; UsageError unless the model has it, or needs none and got none."""
    label = None if name is None else generator.class_index(name)
    generator.check(generator.prior.draw([0], label))
    return label
