"""A user's own functions, named as ``torch:MODULE:FUNCTION``, and who may name them: the user, and no file."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import shlex
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarprior.arguments import K, flag, number, text
from polarprior.errors import PolarPriorError, UsageError
from polarprior.foreign import Foreign

if TYPE_CHECKING:
    from polarprior.settings import OwnSetting

NAME = "torch"
"""The plugin of that name is the host's own: its models and spaces are functions of the user's."""


VARIABLE = "POLARPRIOR_CODE"
"""Environment variable: what the user trusts where a file names it, comma-separated."""
_named: set[str] = set()


def named_by_the_user(what: str, name: str, by_name: Callable[[], Collection[str]]) -> None:
    """Let the user name anything, which is remembered, and files that others made only what nobody has to vouch for.

    A space, an energy or an augmentation may run code (``torch:MODULE:FUNCTION``) or read a file
    (``ground-metric:FILE``). Where a file names one, it has to be in `by_name`, or to be to the letter one that the
    user has named: in this process, where a function of polarprior was called with it, or in `VARIABLE`, which
    processes inherit. Such names come by here alone.

    Args:
        what: the argument that named it, for errors.
        name: as it was given; `Foreign` where a file names it.
        by_name: gives those that are known by their names alone; asked where a file names one.

    Raises:
        PolarPriorError: a file names another one.
    """
    if not isinstance(name, Foreign):
        _named.add(name)
        return
    trusted = {*by_name(), *_named, *os.environ.get(VARIABLE, "").split(",")}
    if name not in trusted or not name:
        raise PolarPriorError(
            f"{what}: a file names {name[:80]!r}, which may run code or read another file",
            f"if you trust it, name it yourself, or type {VARIABLE}={shlex.quote(name[:80])} before the command",
        )


def made_by_the_user(what: str, source: str, example: str, given: dict[str, Any]) -> tuple[Any, str]:
    """What a user's function returns, and the function's name.

    Args:
        what: the argument that named it, for errors.
        source: ``MODULE:FUNCTION``; the folder that the command was typed in is looked at first.
        example: what to type instead, for hints.
        given: the function is called with those that it has parameters for.

    Raises:
        UsageError: another form.
        PolarPriorError: no such function, or it failed.
    """
    function, function_name = _function(what, source, example)
    try:
        taken = inspect.signature(function).parameters
        return function(**{name: value for name, value in given.items() if name in taken}), function_name
    except PolarPriorError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(what, source, example, error) from error


def parameters_of(what: str, source: str, example: str) -> dict[str, OwnSetting]:
    """The parameters of a user's function that settings can be given to, see `made_by_the_user`."""
    from polarprior.settings import NAMES, OwnSetting

    function, name = _function(what, source, example)
    found = {}
    for each in inspect.signature(function).parameters.values():
        kind = type(each.default)
        if each.name not in NAMES and kind in _DOMAINS:
            found[each.name] = OwnSetting(kind, _DOMAINS[kind], f"of {name}, {each.default!r} if not given")
    return found


_DOMAINS = {
    bool: flag(),
    int: replace(K, use="use such as {name}=18"),
    float: number(),
    str: text("use such as {name}=small"),
}


def _function(what: str, source: str, example: str) -> tuple[Any, str]:
    """A user's function, and its name."""
    module_name, _, function_name = source.partition(":")
    if not module_name or not function_name:
        raise UsageError(f"{what}: got torch:{source}, expected torch:MODULE:FUNCTION", f"use {example}")
    if module_name.endswith(".py"):
        raise UsageError(
            f"{what}: got torch:{source}, expected a module, which is named without .py",
            f"use torch:{module_name.removesuffix('.py').replace('/', '.')}:{function_name}",
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    if importlib.util.find_spec(module_name.partition(".")[0]) is None:
        raise PolarPriorError(
            f"{what}: no {module_name}.py in {here}, nor a module of that name elsewhere",
            f"cd to the folder of {module_name}.py, or use {example}",
        )
    try:
        module = importlib.import_module(module_name)
        if not hasattr(module, function_name):
            raise PolarPriorError(f"{what}: {module_name} has no {function_name}", f"use {example}")
        return getattr(module, function_name), function_name
    except PolarPriorError:
        raise
    except (Exception, SystemExit) as error:
        raise _failed(what, source, example, error) from error


def _failed(what: str, source: str, example: str, error: BaseException) -> PolarPriorError:
    """What to say of a user's module or function that raised an error."""
    reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return PolarPriorError(
        f"{what}: torch:{source} raised {reason}", f"polarprior --debug shows where; use {example}"
    )
