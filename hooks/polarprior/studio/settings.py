"""What is set on the page, and the Python lines that do the same."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from polarprior.arguments import numbers_in
from polarprior.errors import UsageError
from polarprior.samplers.contract import SamplerOptions

MOST_SEEDS = 64
"""Pictures of a grid, at most."""


@dataclass(frozen=True)
class Setting:
    """How a grid is drawn.

    Attributes:
        bank: the file, or its name on the Hub; None for the one that the model brings.
        rho: the polarity; None where there is no bank, for the model's own prior.
        seeds: stock seeds.
        label: the class, where the model has classes.
        k: singular values.
        support, hold, sampler: see `polarprior.SamplerOptions`.
        beyond: draw beyond the limits of rho, too.
    """

    bank: str | Path | None
    rho: float | None
    seeds: tuple[int, ...]
    label: int | None
    k: int
    support: str = "prior"
    hold: tuple[str, ...] = ()
    sampler: str = "bank"
    beyond: bool = False

    @property
    def options(self) -> SamplerOptions:
        """For `polarprior.sample`."""
        return SamplerOptions(sampler=self.sampler, k=self.k, support=self.support, hold=self.hold, force=self.beyond)

    def python(self, model: str, device: str, settings: dict[str, Any]) -> str:
        """The lines of Python that write the same pictures.

        Args:
            model, device: as `polarprior.load` takes them.
            settings: those that it was loaded with.
        """
        loaded = ", ".join([repr(model), repr(device), *(f"{name}={value!r}" for name, value in settings.items())])
        lines = ["import polarprior as pp", "", f"generator = pp.load({loaded})"]
        own = [f"seeds={list(self.seeds)}", *([] if self.label is None else [f"label={self.label}"])]
        if self.rho is not None:
            lines.append(
                f"bank = pp.Bank.open({'generator.default_bank' if self.bank is None else repr(str(self.bank))})"
            )
            law = {field.name: getattr(self.options, field.name) for field in fields(SamplerOptions)}
            plain = SamplerOptions()
            own = ["bank", repr(self.rho), *own]
            own += [f"{name}={value!r}" for name, value in law.items() if value != getattr(plain, name)]
        return "\n".join([*lines, f"pp.sample(generator, {', '.join(own)}).save('drawn')"])


def seeds_typed(text: str) -> tuple[int, ...]:
    """Seeds as somebody types them, such as 0-15 or 3,7.

    Raises:
        UsageError: no seeds, or more than `MOST_SEEDS`.
    """
    try:
        return tuple(numbers_in(text, MOST_SEEDS))
    except ValueError as error:
        raise UsageError(f"seeds: {error}, {MOST_SEEDS} at most", "type such as 0-15") from error
