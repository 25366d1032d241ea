"""What changes a Jacobian besides the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from math import isfinite
from typing import Any, ClassVar, NamedTuple

from polarprior.arguments import LONGEST, Domain, check_fields, check_names, number, text
from polarprior.errors import UsageError

Value = bool | int | float | str
MOST = 64
"""Settings of a plugin's own, and characters of a name of one."""


class OwnSetting(NamedTuple):
    """A setting that a plugin's models have besides truncation, temperature and noise mode.

    Attributes:
        kind: bool, int, float or str.
        domain: which values.
        about: what it is, its unit and its default, for people.
    """

    kind: type[bool] | type[int] | type[float] | type[str]
    domain: Domain
    about: str

    def read(self, name: str, value: Any) -> Value:
        """A value of the right type, of one or of the text of one; UsageError outside the domain."""
        if isinstance(value, str) and self.kind is not str:
            value = _parsed(value)
        self.domain.check(name, value)
        return value if isinstance(value, str) else self.kind(value)


@dataclass(frozen=True)
class Settings:
    """Settings of a generator; None is what the model has no notion of, or, when asked for, its default.

    A bank is valid only for the settings that it was built with.

    Attributes:
        trunc: truncation psi (StyleGAN) or threshold (BigGAN).
        temperature: of the prior (NVAE).
        noise_mode: ``const``, ``random`` or ``none`` (StyleGAN2).
        own: of the plugin's own, such as the steps of a sampler: pairs of a name and a number, a text, or True or
            False, by their names; a mapping is taken as well.
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "trunc": number(use="use such as trunc=0.7").or_none(),
        "temperature": number(least=0, use="use such as temperature=0.7").or_none(),
        "noise_mode": text("use noise_mode='const'").or_none(),
        "own": Domain(
            "up to 64 names, each with a number, a text, True or False",
            lambda own: _are_own(own),
            "use such as {name}=dict(steps=18)",
        ),
    }

    trunc: float | None = None
    temperature: float | None = None
    noise_mode: str | None = None
    own: Mapping[str, Value] | tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "own", tuple(sorted(dict(self.own).items())))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from values by their names, the plugin's own among them; those that are None are left out."""
        own = {name: value for name, value in values.items() if name not in NAMES and value is not None}
        return cls(**{name: value for name, value in values.items() if name in NAMES}, own=own)

    @classmethod
    def from_dict(cls, values: Any) -> Settings:
        """Settings from untrusted values as `to_dict` gives them; ValueError, naming the field, where they aren't."""
        if not isinstance(values, dict):
            raise ValueError("settings is no object")
        for name, value in values.items():
            if name not in cls.__dataclass_fields__:
                raise ValueError(f"settings has an unknown field {str(name)[:40]!r}")
            if name == "own" and not (isinstance(value, dict) and value and _are_own(value)):
                raise ValueError("settings field 'own' is no object of names and values")
            if name in NAMES and value is not None and not _fits(name, value):
                raise ValueError(f"settings field {name!r} is {str(value)[:40]!r}")
        try:
            return cls(**values)
        except UsageError as error:
            raise ValueError(error.message) from error

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the fields by their names, ``own`` where there is any."""
        values = {name: getattr(self, name) for name in NAMES}
        return {**values, "own": dict(self.own)} if self.own else values

    def given(self) -> dict[str, Any]:
        """The settings that aren't None, by name, those of the plugin's own among them."""
        fixed = {name: getattr(self, name) for name in NAMES}
        return {**{name: value for name, value in fixed.items() if value is not None}, **dict(self.own)}

    def get(self, name: str) -> Any:
        """A setting by its name; None where there is none."""
        return self.given().get(name)

    def check_only(self, names: tuple[str, ...], model: str, hint: str = "leave it out") -> None:
        """Raise UsageError, naming the field, where one is asked for that `model` has no notion of."""
        for name in self.given():
            if name not in names:
                raise UsageError(f"{name}: {model} has no such setting", hint)

    def differences(self, other: Settings) -> list[str]:
        """Names of the settings in which `other` differs."""
        names = [*NAMES, *sorted({*dict(self.own), *dict(other.own)})]
        return [name for name in names if self.get(name) != other.get(name)]


NAMES = tuple(field.name for field in fields(Settings) if field.name != "own")


def asked_settings(values: Mapping[str, Any], own: Mapping[str, OwnSetting], called: str) -> Settings:
    """Settings from what a user gave by name, or typed, for a model, called so, that has those of its `own`.

    Raises:
        UsageError: no such setting, or a value outside its domain.
    """
    given = [name for name, value in values.items() if value is not None]
    odd = next((name for name in given if name not in NAMES), "")
    if odd and not own and not get_close_matches(odd, NAMES, 1):
        raise UsageError(f"{odd}: {called} has no settings of its own", "leave it out")
    check_names(given, [*NAMES, *own])
    read = {
        name: own[name].read(name, value) if name in own and value is not None else value
        for name, value in values.items()
    }
    return Settings.of(read)


def _parsed(value: str) -> Any:
    """What a text says: a number, True or False; the text where none of them."""
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return {"true": True, "false": False}.get(value.lower(), value)


def _are_own(values: Any) -> bool:
    try:
        pairs = dict(values).items()
    except (TypeError, ValueError):
        return False
    return len(pairs) <= MOST and all(_is_name(name) and _is_value(value) for name, value in pairs)


def _is_name(name: Any) -> bool:
    return (
        isinstance(name, str) and name.isidentifier() and name.isascii() and len(name) <= MOST and name not in NAMES
    )


def _is_value(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST and value.isprintable()
    return isinstance(value, bool) or _is_number(value)


def _fits(name: str, value: Any) -> bool:
    """Whether a value has the type of a field."""
    return isinstance(value, str) if name == "noise_mode" else _is_number(value)


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        return False
