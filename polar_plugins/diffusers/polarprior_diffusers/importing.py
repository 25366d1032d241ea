"""Imports diffusers, also beside a torchvision that doesn't load."""

from __future__ import annotations

from types import ModuleType

from polarprior.plugin import import_torchvision_without_operators


def import_diffusers() -> ModuleType:
    """The package, which imports torchvision where that is installed."""
    import_torchvision_without_operators()
    import diffusers

    return diffusers
