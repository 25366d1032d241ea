"""A user's own functions, named on the command line as ``torch:MODULE:FUNCTION``."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from polarprior.errors import PolarPriorError, UsageError

NAME = "torch"
"""The plugin of that name is the host's own: its models and spaces are functions of the user's."""


def refuse_to_import(space: str, who: str) -> None:
    """A file of others names a space, such as a bank does: no module is imported because of that. One that is there
    already, since the user named it, may be used.

    Args:
        space: as in the file.
        who: names it, for errors.

    Raises:
        PolarPriorError: a module that nobody has imported.
    """
    plugin, _, source = space.partition(":")
    module = source.partition(":")[0]
    if plugin == NAME and module not in sys.modules:
        raise PolarPriorError(
            f"{who} would run code: its space is {space[:80]}, and {module[:60] or 'its module'} is not imported",
            f"if you trust it: in Python, import {module[:60]} first",
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
    module_name, _, function_name = source.partition(":")
    if not module_name or not function_name:
        raise UsageError(f"{what}: got torch:{source}, expected torch:MODULE:FUNCTION", f"use {example}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
        if not hasattr(module, function_name):
            raise PolarPriorError(f"{what}: {module_name} has no {function_name}", f"use {example}")
        function = getattr(module, function_name)
        taken = inspect.signature(function).parameters
        return function(**{name: value for name, value in given.items() if name in taken}), function_name
    except PolarPriorError:
        raise
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise PolarPriorError(
            f"{what}: torch:{source} raised {reason}", f"polarprior --debug shows where; use {example}"
        ) from error
