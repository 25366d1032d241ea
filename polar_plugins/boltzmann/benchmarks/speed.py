"""What each step of a faster training brings: CPU time on eq. 18; a part of `runs.py`."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import torch
from flows import OURS, PAPER_SETTINGS, trained
from polarprior_benchmarks.kept_runs import Runs
from polarprior_benchmarks.reporting import Report
from polarprior_boltzmann.networks import KernelMLPs
from polarprior_boltzmann.recipe import Recipe
from polarprior_boltzmann.training import Training

SEEDS = range(3)
ENOUGH = 0.95
"""Forward ESS that the runs are stopped at."""
STEPS: tuple[tuple[str, Recipe, bool], ...] = (
    ("the paper's settings, automatic differentiation", PAPER_SETTINGS, True),
    ("derivatives in closed form", PAPER_SETTINGS, False),
    ("midpoint rule, 10 steps", replace(PAPER_SETTINGS, steps=10, rule="midpoint"), False),
    ("batch 64", replace(PAPER_SETTINGS, steps=10, rule="midpoint", batch=64), False),
    ("rate 1e-2", replace(PAPER_SETTINGS, steps=10, rule="midpoint", batch=64, rate=1e-2), False),
    ("start points 1.5 times wider", replace(OURS, iterations=10_000), False),
    ("a schedule of 4,000 iterations: the recipe's own", OURS, False),
)
"""Each changes one thing of the one before."""


def speed(runs: Runs, report: Report) -> None:
    """CPU time to a forward ESS of 0.95 on eq. 18, from the paper's settings to ours: medians over seeds."""
    medians = []
    for name, recipe, by_autograd in STEPS:
        found = runs.over(
            SEEDS,
            lambda seed, step=name: name_of_step(step, seed),
            lambda seed, r=recipe, a=by_autograd: _to_enough(replace(r, seed=seed), a, runs.quick),
        )
        if not found:
            report.add(f"eq. 18 to forward ESS {ENOUGH}: {name}", "not run", detail="--full")
            continue
        seconds = [run["cpu_seconds"] for run in found]
        medians.append(statistics.median(seconds) if all(run["reached"] for run in found) else float("nan"))
        detail = f"{min(seconds):.0f} to {max(seconds):.0f} s; iterations {[run['iterations'] for run in found]}"
        detail += "" if all(run["reached"] for run in found) else ", not always reached"
        report.add(f"eq. 18 to forward ESS {ENOUGH}: {name}", medians[-1], "CPU s", detail=detail)
    if len(medians) == len(STEPS):
        gain = medians[0] / medians[-1]
        report.add("eq. 18: CPU time of the paper's settings to ours", gain, "times", ">= 30", gain >= 30)


def name_of_step(name: str, seed: int) -> str:
    """The name of a run."""
    return f"speed, {name}" + (f", seed {seed}" if seed else "")


def _to_enough(recipe: Recipe, by_autograd: bool, quick: bool) -> dict[str, Any]:
    begun = {"begun": _differentiate_automatically} if by_autograd else {}
    run = trained("two-gaussians", recipe, quick, every=100, until=ENOUGH, **begun)
    return {**run, "reached": run["iterations"] < recipe.iterations}


def _differentiate_automatically(training: Training) -> None:
    """All derivatives by autograd, as the paper takes them."""
    for network in [each for each in training._networks.modules() if isinstance(each, KernelMLPs)]:
        network.__class__ = ByAutograd


class ByAutograd(KernelMLPs):
    """The same networks without closed forms."""

    def with_divergence(self, x: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A gradient a dimension."""
        with torch.enable_grad():
            at = x.detach().requires_grad_()
            value = self(at, t)
            terms = [
                torch.autograd.grad(value[:, i].sum(), at, create_graph=True)[0][:, i] for i in range(x.shape[1])
            ]
        return value, torch.stack(terms).sum(0)

    def with_gradient(self, x: torch.Tensor, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Two gradients."""
        at, when = x.detach().requires_grad_(), t.detach().requires_grad_()
        value = self(at, when)[:, 0]
        slope, change = torch.autograd.grad(value.sum(), (at, when), create_graph=True)
        return value, slope, change
