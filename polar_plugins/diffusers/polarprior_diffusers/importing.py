"""Imports diffusers, also beside a torchvision that doesn't load."""

from __future__ import annotations

import sys
from types import ModuleType


def import_diffusers() -> ModuleType:
    """The package. Where torchvision is installed but can't be imported, as beside another build of torch, it is
    hidden for the rest of the process: diffusers and transformers can do without, but not with half of it."""
    try:
        import torchvision  # noqa: F401
    except Exception:  # whatever its compiled part raises
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        sys.modules["torchvision"] = None  # type: ignore[assignment]
    import diffusers

    return diffusers
