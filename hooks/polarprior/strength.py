"""The strength of a polarity: rho, or a tilt, which is as strong in any model. Importing this imports nothing."""

from __future__ import annotations

from math import isfinite

from polarprior.errors import UsageError


def check_strength(rho: float | None, tilt: float | None) -> None:
    """Raise UsageError for one that is no finite number, and for both of them together."""
    for name, given in (("rho", rho), ("tilt", tilt)):
        if given is not None and not isfinite(given):
            raise UsageError(f"{name}: got {given}, expected a finite number", f"use such as {name}=-0.5")
    if rho is not None and tilt is not None:
        raise UsageError(
            f"tilt: got tilt={tilt:g} and rho={rho:g}, which say the same twice", "leave one of them out"
        )
