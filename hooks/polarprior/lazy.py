"""A module whose names are declared once, for the type checker, and loaded when they are first used."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any


def lazily(module: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Give a module its names without importing what defines them.

    The names are those that the module imports under its own ``if TYPE_CHECKING:``, which is read from its source: so
    what a type checker sees and what is there at run time are one list (Scientific Python SPEC 1).

    Args:
        module: ``__name__`` of the module, which is being imported.

    Returns:
        Its ``__getattr__``, ``__dir__`` and ``__all__``.
    """
    homes = declared(sys.modules[module])

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, original = homes[name]
        value = getattr(import_module(home), original)
        setattr(sys.modules[module], name, value)  # the next time it is there
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[module]), *homes})

    return load, listed, sorted(homes)


def declared(module: ModuleType) -> dict[str, tuple[str, str]]:
    """What a module imports under ``if TYPE_CHECKING:``: name to (module that defines it, its name there)."""
    loader = module.__spec__.loader if module.__spec__ else None
    tree = ast.parse(loader.get_source(module.__name__))  # type: ignore[union-attr]
    blocks = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    lines = [line for block in blocks for line in block.body if isinstance(line, ast.ImportFrom)]
    return {name.asname or name.name: (str(line.module), name.name) for line in lines for name in line.names}
