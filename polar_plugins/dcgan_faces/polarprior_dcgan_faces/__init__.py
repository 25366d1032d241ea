"""A DCGAN of faces, K = 100, 3 x 64 x 64, as a polarprior plugin. Importing it does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import Generator, Settings

NAME = "dcgan-faces"
__version__ = "0.1.0"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``dcgan-faces``, or ``dcgan-faces:FILE`` with the package's ``weights.tar`` from elsewhere."""
    from polarprior_dcgan_faces.generator import load

    return load(source, device, settings)
