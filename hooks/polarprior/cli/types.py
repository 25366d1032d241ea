"""Types of arguments: lists of seeds, of classes, of rho and of names, and sizes."""

from __future__ import annotations

import re
from typing import Any

import click

from polarprior.arguments import numbers_in


class NumberList(click.ParamType):
    """``0,1,4-6`` to [0, 1, 4, 5, 6], as the stock scripts write seeds."""

    name = "list"
    limit = 1_000_000

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """Parse; a usage error for anything but whole numbers and rising ranges."""
        if isinstance(value, list):
            return value
        try:
            return numbers_in(str(value), self.limit)
        except ValueError as error:
            self.fail(str(error), param, ctx)


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


class Assignment(click.ParamType):
    """``steps=18`` to ("steps", "18")."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Parse; a usage error where there is no name or no value."""
        if isinstance(value, tuple):
            return value
        name, equals, given = str(value).partition("=")
        if not (name.strip().isidentifier() and equals and given):
            self.fail(f"got {str(value)[:60]!r}, expected NAME=VALUE such as steps=18", param, ctx)
        return name.strip(), given


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
