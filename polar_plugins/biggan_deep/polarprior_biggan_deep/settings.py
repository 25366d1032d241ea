"""The one setting of BigGAN."""

from __future__ import annotations

from polarprior.errors import UsageError
from polarprior.settings import Settings


def truncation_alone(asked: Settings, default: float) -> Settings:
    """Settings with a truncation, `default` where none is asked for.

    Raises:
        UsageError: a setting that BigGAN doesn't have.
    """
    for name in asked.given():
        if name != "trunc":
            raise UsageError(f"{name}: BigGAN-deep has no such setting", "leave it out")
    return Settings(trunc=default if asked.trunc is None else float(asked.trunc))
