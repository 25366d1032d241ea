"""The one setting of BigGAN."""

from __future__ import annotations

from polarprior.plugin import Settings


def truncation_alone(asked: Settings, default: float) -> Settings:
    """Settings with a truncation, `default` where none is asked for.

    Raises:
        UsageError: a setting that BigGAN doesn't have.
    """
    asked.check_only(("trunc",), "BigGAN-deep")
    return Settings(trunc=default if asked.trunc is None else float(asked.trunc))
