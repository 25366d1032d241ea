"""What a flow looks like while it is trained: its metrics on draws that no training sees."""

from __future__ import annotations

from typing import Any

import torch

from polarprior_boltzmann import metrics
from polarprior_boltzmann.energies import Energy, GaussianMixture
from polarprior_boltzmann.training import Training

DRAWS, STEPS = 4096, 50
"""Draws, and steps of a draw, by which the paper judges a flow."""
GLANCE_DRAWS, GLANCE_STEPS = 1024, 12
"""While it is trained: less than a thirtieth of the work."""
SEED = 1 << 40
"""The seed of these draws: always the same."""


def looks(training: Training, draws: int = DRAWS, steps: int = STEPS) -> dict[str, dict[str, Any]]:
    """`look` at each of the problem's goals, by name."""
    return {name: look(training, energy, end, draws, steps) for name, (end, energy) in training.problem.goals.items()}


def glances(training: Training) -> dict[str, dict[str, Any]]:
    """Cheap `looks`."""
    return looks(training, GLANCE_DRAWS, GLANCE_STEPS)


def look(
    training: Training, target: Energy, end: float = 1.0, draws: int = DRAWS, steps: int = STEPS
) -> dict[str, Any]:
    """The metrics of the flow to the time `end` against a target: those that can be had, by name."""
    noise = torch.Generator().manual_seed(SEED)
    flow = training.flow(end)._replace(steps=steps)
    x, log_q = flow.sample(draws, noise)
    with torch.no_grad():
        energy = target(x)
    found: dict[str, Any] = {
        "reverse_kl": metrics.reverse_kl(log_q, energy),
        "reverse_ess": metrics.reverse_ess(log_q, energy),
    }
    if target.modes is not None:
        found["hausdorff"] = metrics.hausdorff(target.modes, x)
        found["mode_shares"] = metrics.mode_shares(target.modes, x)
    if isinstance(target, GaussianMixture):
        y = target.sample(draws, noise).to(x)
        log_q, energy = flow.log_density(y), target(y)
        found["forward_kl"] = metrics.forward_kl(log_q, energy)
        found["forward_ess"] = metrics.forward_ess(log_q, energy)
    return found


def told(loss: float, found: dict[str, dict[str, Any]]) -> str:
    """Loss, ESS and shares of the modes, for a progress bar."""
    text = f"loss {loss:.3g}"
    for name, seen in found.items():
        text += f", {name}: ESS {seen['reverse_ess']:.2f}"
        if "mode_shares" in seen:
            text += ", modes " + "/".join(f"{share:.2f}" for share in seen["mode_shares"])
    return text
