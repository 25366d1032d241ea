"""What a plugin says about somebody else's checkout."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StockRepo:
    """A stock repository.

    Attributes:
        name: as people know it, such as ``NVlabs/stylegan3``.
        markers: files, relative to the checkout, that together tell this repository from any other.
        scripts: its scripts that draw latents, relative to the checkout.
    """

    name: str
    markers: tuple[str, ...]
    scripts: tuple[str, ...]
