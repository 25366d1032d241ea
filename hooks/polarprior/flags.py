"""Errors name the arguments of Python; where somebody typed a command, they name its flags."""

from __future__ import annotations

import re
from collections.abc import Mapping


def in_flags(message: str, flags: Mapping[str, str]) -> str:
    """`message` with the arguments that it names as they are typed.

    Args:
        message: of an error, which begins ``ARGUMENT: `` or ``ARGUMENT, ARGUMENT: ``, a hint, or a warning; what to
            write stands there as ``ARGUMENT=VALUE``, as in Python.
        flags: argument to flag. Others stay as they are.

    >>> flags = {"rho": "--polarity", "k": "-k", "force": "--force"}
    >>> in_flags("rho: got 3, expected -1 to 1", flags)
    '--polarity: got 3, expected -1 to 1'
    >>> in_flags("use rho=-1, or go on with force=True", flags)
    'use --polarity=-1, or go on with --force'
    """
    names, colon, rest = message.partition(": ")
    listed = names.split(", ")
    if colon and all(re.fullmatch(r"[a-z_0-9]+", name) for name in listed):
        names = ", ".join(flags.get(name, name) for name in listed)
    return re.sub(r"(?<![\w.(-])([a-z_0-9]+)=([^\s,;]+)", lambda found: _typed(found, flags), names + colon + rest)


def _typed(found: re.Match[str], flags: Mapping[str, str]) -> str:
    name, value = found.groups()
    if name not in flags:
        return found[0]
    if value == "True":
        return flags[name]
    return f"{flags[name]}{'=' if value.startswith('-') else ' '}{value}"
