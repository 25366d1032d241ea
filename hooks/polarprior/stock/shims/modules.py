"""Modules that Python and setuptools no longer have, as far as stock scripts use them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


def supply_missing_modules() -> None:
    """``pkg_resources`` and ``distutils.util``, each only where nothing else provides it."""
    if not any(isinstance(finder, _Supply) for finder in sys.meta_path):
        sys.meta_path.append(_Supply())  # the last to be asked


def _parse_version(text: str) -> Any:
    """pkg_resources.parse_version, for comparisons."""
    from torch.torch_version import TorchVersion

    return TorchVersion(text)


def _fixup_namespace_packages(path: str, parent: object = None) -> None:
    """pkg_resources' function of that name where no namespace package was declared; pytest calls it."""


def _strtobool(text: str) -> int:
    """distutils.util.strtobool: 1 for yes, 0 for no, in English words.

    >>> _strtobool("Yes"), _strtobool("off")
    (1, 0)
    """
    answers = dict.fromkeys(("y", "yes", "t", "true", "on", "1"), 1)
    answers |= dict.fromkeys(("n", "no", "f", "false", "off", "0"), 0)
    if text.lower() not in answers:
        raise ValueError(f"invalid truth value {text!r}")
    return answers[text.lower()]


_CONTENTS: dict[str, dict[str, Callable[..., Any]]] = {
    "pkg_resources": {"parse_version": _parse_version, "fixup_namespace_packages": _fixup_namespace_packages},
    "distutils": {},
    "distutils.util": {"strtobool": _strtobool},
}


SUPPLIED = frozenset(_CONTENTS)


class _Supply(MetaPathFinder, Loader):
    """Finds and makes the modules of `_CONTENTS`."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self, is_package=name == "distutils") if name in _CONTENTS else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(_CONTENTS[module.__name__])
