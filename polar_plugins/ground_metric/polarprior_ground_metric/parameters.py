"""What the parameters of `MultiLevelMetric` may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from polarprior.plugin import UsageError


def _real(value: Any) -> bool:
    return isinstance(value, Real)


def _integral(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _whole(least: int, most: float = float("inf")) -> Callable[[Any], bool]:
    return lambda value: _integral(value) and least <= value <= most


def _positive(value: Any) -> bool:
    return _real(value) and 0 < value < float("inf")


def _flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _weights(value: Any) -> bool:
    return isinstance(value, tuple | list | np.ndarray) and all(
        _real(each) and 0 <= each < float("inf") for each in value
    )


EXPECTED: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("n_neighbors", "targets", "impostors", "steps", "patience"), ("1 or more", _whole(1))),
    "rounds": ("0 or more", _whole(0)),
    "seed": ("0 to 2^32 - 1", _whole(0, 2**32 - 1)),
    "mu": ("a number from 0 to 1", lambda value: _real(value) and 0 <= value <= 1),
    "validation": ("a number between 0 and 1", lambda value: _positive(value) and value < 1),
    **dict.fromkeys(("smoothing", "rate"), ("a number above 0", _positive)),
    "rho_0": ("numbers such as (1.0,)", lambda value: _weights(value) and len(value) > 0),
    "rho_t": ("None or numbers such as (0.1,)", lambda value: value is None or _weights(value)),
    **dict.fromkeys(("new_classes", "progress"), ("True or False", _flag)),
    "device": ("a torch device such as 'cpu'", lambda value: isinstance(value, str)),
}


def check_parameters(given: Mapping[str, Any]) -> None:
    """Raises:
    UsageError: one is of another kind, or out of range.
    """
    for name, value in given.items():
        expected, allowed = EXPECTED[name]
        if not allowed(value):
            raise UsageError(f"{name}: got {value!r}, expected {expected}", f"leave out {name} for its default")
