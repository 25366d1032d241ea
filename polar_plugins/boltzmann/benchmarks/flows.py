"""How the benchmark's flows are trained, and where they are kept; used by `runs.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from polarprior.plugin import user_cache
from polarprior_benchmarks.kept_runs import rounded
from polarprior_boltzmann.flow_file import FlowFile
from polarprior_boltzmann.looking import glances, looks
from polarprior_boltzmann.problems import problem_named
from polarprior_boltzmann.recipe import OF_REVERSE_KL, Recipe
from polarprior_boltzmann.training import Training
from tqdm import tqdm

FLOWS = (user_cache() or Path("cache")) / "boltzmann"
PAPER_SETTINGS = Recipe(iterations=10_000, batch=256, rate=3e-3, steps=50, rule="runge-kutta", widen=1.0)
"""The settings that the paper states."""
OURS = Recipe()
LINEAR = replace(OURS, interpolation="linear", rate=3e-3, widen=1.0)
"""The paper's rate: at three times as much some trainings end badly."""
REVERSE = replace(PAPER_SETTINGS, loss="reverse-kl", batch=64, **OF_REVERSE_KL)
"""The paper's iterations, rate and rule."""
WIDTH_TO_COMPILE = 64
"""Up to here most of the time of reverse KL goes into starting small operations: a compiled field gives the same
numbers, but for rounding, in half of it."""


def name_of(energy: str, recipe: Recipe) -> str:
    """The name of a flow's file."""
    how = recipe.loss if recipe.loss == "reverse-kl" else recipe.interpolation
    found = f"{energy.replace(':', '-').replace(',', '-')}-{how}"
    found += f"-{recipe.form}" if recipe.form != Recipe.form else ""
    return found + (f"-seed-{recipe.seed}" if recipe.seed else "")


def trained(
    energy: str,
    recipe: Recipe,
    quick: bool,
    every: int = 250,
    until: float | None = None,
    begun: Callable[[Training], None] = lambda _: None,
) -> dict[str, Any]:
    """A training, with its CPU seconds, and glances on its way whose seconds don't count.

    Flows are kept for `pictures.py`.

    Args:
        energy: its name.
        recipe: how.
        quick: for 20 iterations.
        every: iterations between glances.
        until: end at this forward ESS of a glance, for good: at two glances one after the other.
        begun: told of the training before its first iteration.
    """
    recipe = replace(recipe, iterations=20, width=8, batch=16, steps=4) if quick else recipe
    training = Training(problem_named(energy), recipe)
    begun(training)
    if recipe.loss == "reverse-kl" and recipe.width <= WIDTH_TO_COMPILE and not quick:
        training.field.with_divergence = torch.compile(training.field.with_divergence)
    seconds, curve, reached = 0.0, [], 0
    with tqdm(total=recipe.iterations, desc=energy, mininterval=10) as bar:
        while not training.finished:
            began = time.process_time()
            training.advance()
            seconds += time.process_time() - began
            bar.update()
            if training.done % every == 0:
                seen = glances(training)["target"]
                curve.append([training.done, round(seconds, 1), training.loss, seen["reverse_ess"]])
                reached = reached + 1 if seen.get("forward_ess", 0.0) >= (until or 2.0) else 0
                if reached == 2:
                    break
    kept = FlowFile.of(training, energy)
    if until is None and not quick:
        kept.save(FLOWS / f"{name_of(energy, recipe)}.safetensors")
    found = (looks if until is None else glances)(training)["target"]
    return {
        "iterations": training.done,
        "cpu_seconds": round(seconds, 1),
        "metrics": rounded(found | ({} if kept.constant is None else {"log_z": kept.log_z()})),
        "curve": [[done, spent, float(f"{loss:.4g}"), round(ess, 4)] for done, spent, loss, ess in curve],
        "recipe": asdict(recipe),
    }
