"""What changes a Jacobian besides the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any, ClassVar

from polarprior.arguments import Domain, check_fields, number, text
from polarprior.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """Settings of a generator; None is what the model has no notion of, or, when asked for, its default.

    A bank is valid only for the settings that it was built with.

    Attributes:
        trunc: truncation psi (StyleGAN) or threshold (BigGAN).
        temperature: of the prior (NVAE).
        noise_mode: ``const``, ``random`` or ``none`` (StyleGAN2).
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "trunc": number(use="use such as trunc=0.7").or_none(),
        "temperature": number(least=0, use="use such as temperature=0.7").or_none(),
        "noise_mode": text("use noise_mode='const'").or_none(),
    }

    trunc: float | None = None
    temperature: float | None = None
    noise_mode: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def from_dict(cls, values: Any) -> Settings:
        """Settings from untrusted values; ValueError, naming the field, where they aren't settings."""
        if not isinstance(values, dict):
            raise ValueError("settings is no object")
        for name, value in values.items():
            if name not in cls.__dataclass_fields__:
                raise ValueError(f"settings has an unknown field {str(name)[:40]!r}")
            if value is not None and not (isinstance(value, str) if name == "noise_mode" else _is_number(value)):
                raise ValueError(f"settings field {name!r} is {str(value)[:40]!r}")
        try:
            return cls(**values)
        except UsageError as error:
            raise ValueError(error.message) from error

    def given(self) -> dict[str, Any]:
        """The fields that aren't None, by name."""
        return {field: value for field, value in asdict(self).items() if value is not None}

    def check_only(self, names: tuple[str, ...], model: str, hint: str = "leave it out") -> None:
        """Raise UsageError, naming the field, where one is asked for that `model` has no notion of."""
        for name in self.given():
            if name not in names:
                raise UsageError(f"{name}: {model} has no such setting", hint)

    def differences(self, other: Settings) -> list[str]:
        """Names of the fields in which `other` differs."""
        return [field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)]


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False
