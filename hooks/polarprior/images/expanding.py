"""How much a compressed file of images may hold: a small one that claims gigabytes is no set of pictures."""

from __future__ import annotations

from polarprior.errors import PolarPriorError

ALWAYS = 1 << 26
"""Bytes that any file may expand to."""
TIMES = 100
"""Times its own size that a larger one may expand to; MNIST's digits expand five times."""
PIXELS = 1 << 25
"""The most that a picture may have."""


def check_expands(what: object, packed: int, expanded: int) -> None:
    """Raise PolarPriorError where `packed` bytes claim to hold `expanded` bytes, more than pictures would."""
    if expanded > max(ALWAYS, TIMES * packed):
        raise PolarPriorError(
            f"images: {what} has {packed} bytes and would expand to {expanded}, more than {TIMES} times as much",
            "it is no set of pictures; one that is, write without compression",
        )
