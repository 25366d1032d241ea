"""Errors name the arguments of Python; where somebody typed a command, they name its flags."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TO_WRITE = re.compile(
    r"\w\([^()]*\)"  # a call stays as it is
    r"|(?P<before>(?:\b(?:use|as|add|or|and|with|without|got|another)|[,;]) |\()"
    r"(?P<name>[a-z_0-9]+)=(?P<value>True\b|-)?"
)


def in_flags(message: str, flags: Mapping[str, str]) -> str:
    """`message` with the arguments that it names as they are typed.

    Args:
        message: of an error, which begins ``ARGUMENT: `` or ``ARGUMENT, ARGUMENT: ``, a hint, or a warning; what to
            write stands there as ``ARGUMENT=VALUE``, as in Python, behind a word such as use, add, or, with, got, a
            comma or a bracket. Elsewhere, as in a path, that is somebody's own.
        flags: argument to flag, or to what a command's usage calls it. Others stay as they are.

    >>> flags = {"rho": "--polarity", "n": "-n", "force": "--force", "bank": "BANK"}
    >>> in_flags("rho, bank: got rho=3, which bank n=9.safetensors is not for", flags)
    '--polarity, BANK: got --polarity 3, which bank n=9.safetensors is not for'
    >>> in_flags("use rho=-1, build a larger one (n=9), pp.build_bank(..., n=9), or go on with force=True", flags)
    'use --polarity=-1, build a larger one (-n 9), pp.build_bank(..., n=9), or go on with --force'
    """
    names, colon, rest = message.partition(": ")
    listed = names.split(", ")
    if colon and all(re.fullmatch(r"[a-z_0-9]+", name) for name in listed):
        names = ", ".join(flags.get(name, name) for name in listed)

    def typed(found: re.Match[str]) -> str:
        flag = flags.get(found["name"] or "", "")
        if not flag.startswith("-"):
            return found[0]
        return found["before"] + flag + {None: " ", "-": "=-"}.get(found["value"], "")

    return _TO_WRITE.sub(typed, names + colon + rest)
