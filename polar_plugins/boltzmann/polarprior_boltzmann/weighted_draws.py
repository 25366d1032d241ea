"""Draws of an energy's flow, and the weights that make averages over them those of the energy."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from polarprior.plugin import effective_sample_size, pareto_k_hat, writing_atomically

from polarprior_boltzmann.flow import Flow
from polarprior_boltzmann.flow_file import FlowFile

FEWEST = 25
"""Draws below which k-hat says nothing."""


class WeightedDraws(NamedTuple):
    """Draws x of a flow q, [n, K] float32.

    Attributes:
        x: draws.
        log_q: log q(x), float64 [n].
        energy: f(x), float64 [n].
    """

    x: np.ndarray
    log_q: np.ndarray
    energy: np.ndarray

    @property
    def log_weight(self) -> np.ndarray:
        """-f(x) - log q(x), [n]: log p / q, but for log Z (the paper's eq. 22)."""
        return -self.energy - self.log_q

    def summary(self) -> dict[str, float]:
        """ESS and its share of n; log Z, the logarithm of the mean weight; and Pareto k-hat of the weights."""
        count, ess = len(self.x), effective_sample_size(self.log_weight)
        found = {"draws": count, "ess": ess, "ess_share": ess / count}
        found["log_z"] = float(np.logaddexp.reduce(self.log_weight)) - log(count)
        if count >= FEWEST:
            found["k_hat"] = pareto_k_hat(self.log_weight)
        return found


def weighted_draws(
    flow: FlowFile, count: int, seed: int = 0, energy: str | None = None, device: torch.device | str = "cpu"
) -> WeightedDraws:
    """Draw from a flow that was trained on an energy.

    Args:
        flow: it.
        count: n.
        seed: of the points that the flow carries, which are drawn on the CPU.
        energy: see `FlowFile.target`.
        device: where they are carried.

    Raises:
        UsageError: what `FlowFile.target` raises.
    """
    target = flow.target(energy)
    field = flow.field.to(device)
    x, log_q = Flow(flow.base, field).sample(count, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        value = torch.cat([target(part) for part in x.split(field.at_once)])
    return WeightedDraws(x.cpu().numpy(), log_q.double().cpu().numpy(), value.double().cpu().numpy())


def save_draws(drawn: WeightedDraws, path: Path) -> None:
    """Write an .npz, atomically; the same draws give the same bytes."""
    with writing_atomically(path) as temporary, temporary.open("wb") as file:
        np.savez(file, x=drawn.x, log_q=drawn.log_q, energy=drawn.energy, log_weight=drawn.log_weight)
