"""Arguments that numpy and scipy have renamed or taken away since the stock scripts were written."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from polarprior.stock.importing import after_import


def restore_arguments() -> None:
    """``numpy.percentile(interpolation=)`` and ``scipy.linalg.sqrtm(disp=)``, each only where it is gone."""
    after_import("numpy", lambda module: _restore(module, "percentile", "interpolation", _with_interpolation))
    after_import("scipy.linalg", lambda module: _restore(module, "sqrtm", "disp", _with_disp))


def _restore(module: ModuleType, name: str, argument: str, mend: Callable[..., Any]) -> None:
    function = getattr(module, name)
    if argument not in inspect.signature(function).parameters:
        setattr(module, name, wraps(function)(mend(function)))


def _with_interpolation(percentile: Callable[..., Any]) -> Callable[..., Any]:
    """What was called `interpolation` is `method` now."""

    def mended(*args: Any, **kwargs: Any) -> Any:
        if "interpolation" in kwargs:
            kwargs["method"] = kwargs.pop("interpolation")
        return percentile(*args, **kwargs)

    return mended


def _with_disp(sqrtm: Callable[..., Any]) -> Callable[..., Any]:
    """With ``disp=False`` the root came with an estimate of its error, |X X - A|_F / |A|_F."""

    def mended(a: Any, *args: Any, disp: bool = True, **kwargs: Any) -> Any:
        import numpy as np

        root = sqrtm(a, *args, **kwargs)
        if disp:
            return root
        return root, np.linalg.norm(root @ root - a) / np.linalg.norm(a)

    return mended
