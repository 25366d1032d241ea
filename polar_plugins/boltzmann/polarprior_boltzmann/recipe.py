"""How a flow is trained. Importing it does not import torch: the command line shows its defaults."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any

from polarprior.plugin import UsageError

LOSSES = ("continuity", "reverse-kl")
OF_REVERSE_KL: dict[str, Any] = {"steps": 25, "rule": "runge-kutta"}
"""What reverse KL needs in place of the defaults. Its gradient goes through the ways, and with ten midpoint steps it
finds fields whose divergence they misjudge, until the loss is below 0, where no reverse KL of a normalised target
is."""


@dataclass(frozen=True)
class Recipe:
    """How a flow is trained. The defaults are for the paper's eq. 18; its own settings are in brackets.

    Attributes:
        loss: one of `LOSSES`.
        interpolation: trainable, linear or diffusion.
        form: L of the continuity loss, one of `polarprior_boltzmann.losses.FORMS`.
        width, layers, kernels: of the networks, see `KernelMLPs` (64 and 2; 128 and 3 for the double well; 4).
        iterations: (10,000).
        batch: starting points an iteration (256).
        rate: of Adam, at first (3e-3); it falls like a quarter of a cosine to 0.
        steps, rule: that follow the field (50, runge-kutta).
        thin: the continuity loss looks at one in so many of the times on a way, and each way has its own (1).
        widen: starting points of the continuity loss are drawn so many times wider than the base, so that no mode
            goes unseen (1).
        seed: of all that is random.
    """

    loss: str = "continuity"
    interpolation: str = "trainable"
    form: str = "both"
    width: int = 64
    layers: int = 2
    kernels: int = 4
    iterations: int = 4000
    batch: int = 64
    rate: float = 1e-2
    steps: int = 10
    rule: str = "midpoint"
    thin: int = 1
    widen: float = 1.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UsageError(f"loss: got {self.loss!r}, expected {' or '.join(LOSSES)}", "use loss=continuity")
        for name in ("rate", "widen"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0):
                raise UsageError(f"{name}: got {value}, expected a number above 0", "leave it out")
        most = min(self.steps + 1, self.batch // 2)
        if self.thin > most:
            raise UsageError(f"thin: got {self.thin}, expected {most} or less", f"use thin={most}, or more steps")
