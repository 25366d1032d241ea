"""What public functions may be given: each says so once, and refuses the rest by the argument's name before it does
anything."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, Signature, isclass, isfunction, signature
from math import isfinite
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

import numpy as np

from polarprior.errors import UsageError

LONGEST = 4096
"""Characters of a name or a path."""
SEEDS = 2**32
MOST_CLASSES = 2**31

P = ParamSpec("P")
R = TypeVar("R")
Options = TypeVar("Options")


@dataclass(frozen=True)
class Domain:
    """What an argument may be.

    Attributes:
        says: for people, behind "expected".
        holds: whether a value is one.
        use: what to type.
        none: None stands for a default.
    """

    says: str
    holds: Callable[[Any], bool]
    use: str
    none: bool = False

    def check(self, name: str, value: Any) -> None:
        """Raise UsageError, naming the argument, unless `value` is in the domain."""
        if value is None and self.none:
            return
        if not self.holds(value):
            raise self.refusal(name, value)

    def refusal(self, name: str, value: Any) -> UsageError:
        """The error for a value outside."""
        expected = f"{self.says}, or None" if self.none else self.says
        return UsageError(f"{name}: got {in_short(value)}, expected {expected}", self.use.format(name=name))

    def or_none(self) -> Domain:
        """The same, and None."""
        return replace(self, none=True)


def in_short(value: Any) -> str:
    """A value as an error names it: by what it is, where it's long."""
    kind = type(value).__name__
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{kind} of {value.dtype} {list(value.shape)}"
    if isinstance(value, str | bytes) and len(value) > 60:
        return f"a {kind} of {len(value)} characters"
    if isfunction(value) or isclass(value):
        return f"the {'class' if isclass(value) else 'function'} {value.__name__}"
    text = repr(value)
    return text if len(text) <= 60 else f"a {kind}"


def whole(least: int, most: int, use: str = "leave {name} out") -> Domain:
    """Whole numbers from `least` to `most`; True and False are none."""
    upto = f" from {least} to {most}" if most < MOST_CLASSES or most in (SEEDS - 1, SEEDS) else f", {least} or more"
    return Domain(
        f"a whole number{upto}",
        lambda value: isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) <= most,
        use,
    )


def number(least: float | None = None, above: float | None = None, use: str = "use such as {name}=0.1") -> Domain:
    """Finite numbers, from `least` or above `above` where they are given."""
    bound = "" if (least, above) == (None, None) else f" above {above}" if least is None else f", {least} or more"

    def holds(value: Any) -> bool:
        if not isinstance(value, Real) or isinstance(value, bool):
            return False
        try:
            found = float(value)
        except OverflowError:
            return False
        return isfinite(found) and (least is None or found >= least) and (above is None or found > above)

    return Domain(f"a finite number{bound}", holds, use)


def share() -> Domain:
    """Numbers above 0 and up to 1."""
    return Domain(
        "a share, above 0 and up to 1",
        lambda value: number(above=0).holds(value) and value <= 1,
        "use such as {name}=0.8",
    )


def text(use: str = "leave {name} out") -> Domain:
    """A name: printable, not empty, not too long."""
    return Domain(f"text of 1 to {LONGEST} characters that can be printed", _is_text, use)


def path(use: str = "name a file") -> Domain:
    """Where something is: text or a Path."""
    return Domain(
        f"a path of 1 to {LONGEST} characters",
        lambda value: isinstance(value, str | os.PathLike) and _is_path(os.fspath(value)),
        use,
    )


def flag() -> Domain:
    """True or False."""
    return Domain("True or False", lambda value: isinstance(value, bool), "use {name}=True, or leave it out")


def function(of: str) -> Domain:
    """Something to call."""
    return Domain(f"a function of {of}", callable, "leave {name} out")


def instance(named: str, use: str) -> Domain:
    """An object of one of our classes.

    Args:
        named: ``MODULE:CLASS`` of polarprior, which is not imported: whoever has such an object has imported it.
        use: how to come by one.
    """
    module, _, name = named.partition(":")

    def holds(value: Any) -> bool:
        return any((each.__module__, each.__qualname__) == (module, name) for each in type(value).__mro__)

    return Domain(f"a {name}", holds, use)


def several(of: Domain, least: int = 0, use: str = "use such as {name}=(...,)") -> Domain:
    """A tuple or list, or another sequence but text, of what is in a domain."""
    return Domain(
        f"a sequence, each of it {of.says}" + (f", {least} at least" if least else ""),
        lambda value: (
            isinstance(value, Sequence)
            and not isinstance(value, str | bytes)
            and len(value) >= least
            and all(map(of.holds, value))
        ),
        use,
    )


def either(*domains: Domain) -> Domain:
    """What is in one of some domains."""
    return Domain(
        " or ".join(each.says for each in domains),
        lambda value: any(each.holds(value) for each in domains),
        domains[0].use,
    )


def checked(**domains: Domain) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function, or a class, refuse arguments outside their domains, unknown and missing ones, before anything
    else is done.

    Raises:
        UsageError: by the function, naming the argument.
    """

    def around(function: Callable[P, R]) -> Callable[P, R]:
        takes = signature(function)
        names = list(takes.parameters)

        @wraps(function)
        def call(*positional: P.args, **named: P.kwargs) -> R:
            for name, value in (*zip(names, positional, strict=False), *named.items()):
                if name in domains:
                    domains[name].check(name, value)
            try:
                return function(*positional, **named)
            except TypeError:
                _check_call(function.__name__, takes, positional, named)  # it can't be called so
                raise

        call.domains = domains  # type: ignore[attr-defined]
        return call

    return around


def _check_call(name: str, takes: Signature, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Raise UsageError unless a function can be called so."""
    try:
        takes.bind(*positional, **named)
    except TypeError as error:
        raise _not_taken(name, takes, len(positional), named) from error


def _not_taken(function: str, takes: Signature, positional: int, named: Iterable[str]) -> UsageError:
    """What is wrong with a call that names arguments which a function doesn't take, or too few or too many."""
    names = [name for name in takes.parameters if name != "self"]
    kinds = [each.kind for each in takes.parameters.values()]
    if Parameter.VAR_KEYWORD not in kinds:
        check_names(named, names)
    given = {*list(takes.parameters)[:positional], *named}
    missing = [
        name
        for name, each in takes.parameters.items()
        if each.default is Parameter.empty and each.kind is not Parameter.VAR_KEYWORD and name not in given
    ]
    if missing:
        needed = ", ".join(f"{name}=..." for name in missing)
        return UsageError(f"{missing[0]}: none given, {function} needs it", f"add it: {function}(..., {needed})")
    return UsageError(
        f"{function}: got {positional} arguments without a name, more than it takes so, or one of them twice",
        f"name them: {function}({', '.join(f'{name}=...' for name in names[:3])}, ...)",
    )


def named_fields(cls: type[Options]) -> type[Options]:
    """Make a dataclass of options refuse names that are none of its fields, with the one that is meant, and more or
    fewer values than it has.

    Raises:
        UsageError: by the class, naming the argument.
    """
    initialise, takes = cls.__init__, signature(cls)

    @wraps(initialise)
    def __init__(self: Options, *positional: Any, **named: Any) -> None:
        try:
            initialise(self, *positional, **named)
        except TypeError:
            _check_call(cls.__name__, takes, positional, named)
            raise

    cls.__init__ = __init__  # type: ignore[assignment]
    return cls


def check_fields(options: Any) -> None:
    """Raise UsageError, naming the field, unless the fields of a dataclass are in its ``DOMAINS``."""
    for name, domain in options.DOMAINS.items():
        domain.check(name, getattr(options, name))


def check_names(given: Iterable[str], known: Sequence[str]) -> None:
    """Raise UsageError for a name that is none of `known`, with the one that is meant."""
    for name in given:
        if name not in known:
            raise UsageError(f"{name}: no such option, expected some of {', '.join(known)}", _meant(name, known))


SAID = {"polarity": "rho", "strength": "tilt", "seed": "seeds", "n": "seeds", "class_": "label", "classes": "label"}
"""What people call an argument, and its name here."""


def _meant(name: str, known: Sequence[str]) -> str:
    """What to type in place of a name that is none."""
    meant = SAID.get(name, "")
    close = [meant] if meant in known else get_close_matches(name.lower(), known, 1, 0.5)
    return f"use {close[0]}" if close else "leave it out"


def numbers_in(text: str, most: int) -> list[int]:
    """``0,1,4-6`` to [0, 1, 4, 5, 6], as the stock scripts write seeds.

    Raises:
        ValueError: anything but whole numbers and rising ranges, or more than `most` numbers.
    """
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,12})(?:\s*-\s*(\d{1,12}))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first or last - first + len(numbers) >= most:
            raise ValueError(f"got {text[:60]!r}, expected numbers and ranges such as 0,1,4-6")
        numbers += range(first, last + 1)
    return numbers


def seeds_in(value: Any) -> np.ndarray | None:
    """Seeds as int64 [n]; None where they are none. A number that isn't whole is no seed, and neither is True."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        array = np.atleast_1d(np.asarray(value))
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None
    if array.ndim != 1 or not array.size or array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= SEEDS:
        return None
    return array.astype(np.int64)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST and "\0" not in value


GENERATOR = instance("polarprior.generator:Generator", "load one: pp.load('dcgan-faces'), or pp.wrap(module, ...)")
BANK = instance("polarprior.bank.bank:Bank", "open one: pp.Bank.open('bank.safetensors')")
HOST = instance("polarprior.host:Host", "leave {name} out, for the installed plugins").or_none()
K = Domain("a whole number", lambda value: isinstance(value, Integral) and not isinstance(value, bool), "use k=30")
"""Its range is the model's or the bank's to tell."""
RHO = number(use="use such as rho=-0.1")
TILT = number(use="use such as tilt=-0.5")
LABEL = whole(0, MOST_CLASSES, "use the number of a class, such as label=0")
SPACE = text("use space='pixel'")
SHARD_SIZE = whole(1, 2**60, "leave {name} out, for 2 GB")
SEEDS_OF_A_DRAW = Domain(
    f"whole numbers from 0 to {SEEDS - 1}, one at least",
    lambda value: seeds_in(value) is not None,
    "use such as seeds=range(16)",
)
PAIR = Domain(
    "a pair of a Generator and a Bank",
    lambda value: isinstance(value, tuple) and len(value) == 2 and GENERATOR.holds(value[0]) and BANK.holds(value[1]),
    "use such as {name}=[(generator, bank)]",
)
