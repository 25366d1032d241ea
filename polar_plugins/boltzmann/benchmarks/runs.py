"""Boltzmann flows: the paper's tables, what each step of a faster training brings, and polarity priors of faces.

    python polar_plugins/boltzmann/benchmarks/runs.py [--quick] [--full] [--json FILE]
                                                      [--only table1,speed,well,faces]

The paper is Máté and Fleuret, *Learning Interpolations between Boltzmann Densities* (TMLR 2023). Every run is kept in
``results/runs.json`` as soon as it is done, with its CPU seconds, and --full makes those that are missing: about
five CPU hours, and as many again for the double well. Without --full the runs that are there are told; --quick makes
tiny ones and keeps nothing.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from polarprior.plugin import user_cache
from polarprior_benchmarks.kept_runs import Parts, Runs, interval, main, rounded
from polarprior_benchmarks.reporting import Report
from polarprior_boltzmann.flow_file import FlowFile
from polarprior_boltzmann.looking import glances, looks
from polarprior_boltzmann.networks import KernelMLPs
from polarprior_boltzmann.problems import problem_named
from polarprior_boltzmann.recipe import OF_REVERSE_KL, Recipe
from polarprior_boltzmann.training import Training
from tqdm import tqdm

KEPT = Path(__file__).parent / "results" / "runs.json"
FLOWS = (user_cache() or Path("cache")) / "boltzmann"
SEEDS = range(5)
PAPER_SETTINGS = Recipe(iterations=10_000, batch=256, rate=3e-3, steps=50, rule="runge-kutta", widen=1.0)
"""The settings that the paper states."""
OURS = Recipe()
REVERSE = replace(PAPER_SETTINGS, loss="reverse-kl", batch=64, **OF_REVERSE_KL)
"""The paper's iterations, rate and rule."""
METRICS = ("hausdorff", "reverse_kl", "reverse_ess", "forward_kl", "forward_ess")
TABLE_1 = {
    ("four-gaussians", "reverse-kl"): (19.26, 1.387, 0.999, 110.6, 0.254),
    ("four-gaussians", "linear"): (0.060, 0.003, 0.998, 0.001, 0.998),
    ("four-gaussians", "trainable"): (0.053, 0.000, 1.000, 0.000, 0.999),
    ("two-gaussians", "reverse-kl"): (13.25, 1.099, 1.000, 74.38, 0.332),
    ("two-gaussians", "linear"): (2.329, 1.081, 0.928, 37.68, 0.336),
    ("two-gaussians", "trainable"): (0.045, 0.001, 0.999, 0.000, 1.000),
}
"""The paper's figures, in the order of `METRICS`."""
WIDTH_TO_COMPILE = 64
"""Up to here most of the time of reverse KL goes into starting small operations: a compiled field gives the same
numbers, but for rounding, in half of it."""
ENOUGH = 0.95
"""Forward ESS that the speed runs are stopped at."""
WELLS = {
    1.5: (0.678, -1.054, 0.991),
    3.0: (0.486, -1.835, 0.979),
    4.5: (0.335, -9.765, 0.966),
    6.0: (0.300, -23.19, 0.963),
}
"""Table 2, the continuity loss: Hausdorff, reverse KL, reverse ESS by mass."""


def name_of(energy: str, recipe: Recipe) -> str:
    """The name of a flow's file."""
    how = recipe.loss if recipe.loss == "reverse-kl" else recipe.interpolation
    return f"{energy.replace(':', '-').replace(',', '-')}-{how}"


def trained(energy: str, recipe: Recipe, quick: bool, every: int = 250, until: float | None = None) -> dict[str, Any]:
    """A training, with its CPU seconds, and glances on its way whose seconds don't count.

    Flows of seed 0 are kept for `pictures.py`.

    Args:
        energy: its name.
        recipe: how.
        quick: for 20 iterations.
        every: iterations between glances.
        until: end at this forward ESS of a glance, for good: at two glances one after the other.
    """
    recipe = replace(recipe, iterations=20, width=8, batch=16, steps=4) if quick else recipe
    training = Training(problem_named(energy), recipe)
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
    if until is None and not quick and recipe.seed == 0:
        kept = FlowFile(training.problem.base, training.field, asdict(recipe), energy)
        kept.save(FLOWS / f"{name_of(energy, recipe)}.safetensors")
    found = (looks if until is None else glances)(training)["target"]
    return {
        "iterations": training.done,
        "cpu_seconds": round(seconds, 1),
        "metrics": rounded(found),
        "curve": [[done, spent, float(f"{loss:.4g}"), round(ess, 4)] for done, spent, loss, ess in curve],
        "recipe": asdict(recipe),
    }


def table_1(runs: Runs, report: Report) -> None:
    """Both targets, all three losses, five seeds."""
    for (energy, loss), seeds_own in TABLE_1.items():
        recipe = REVERSE if loss == "reverse-kl" else replace(OURS, interpolation=loss)
        found = []
        for seed in SEEDS[:1] if runs.quick else SEEDS:
            name = f"table 1, {energy}, {loss}, seed {seed}"
            run = runs(name, lambda r=recipe, s=seed, e=energy: trained(e, replace(r, seed=s), runs.quick))
            if run is not None:
                found.append(run)
        if not found:
            report.add(f"Table 1, {energy}, {loss}", "not run", detail="--full")
            continue
        for name, theirs in zip(METRICS, seeds_own, strict=True):
            mean, half = interval([run["metrics"][name] for run in found])
            report.add(f"Table 1, {energy}, {loss}: {name}", mean, detail=f"± {half:.3g} (95%), seed's {theirs:g}")
        shares = [[round(share, 3) for share in run["metrics"]["mode_shares"]] for run in found]
        report.add(f"Table 1, {energy}, {loss}: runs", len(found), detail=f"mode shares {shares}")
        if (energy, loss) == ("two-gaussians", "trainable"):
            _goals(found, report)
    recipe = replace(OURS, interpolation="diffusion")
    run = runs("fig 7, two-gaussians, diffusion", lambda: trained("two-gaussians", recipe, runs.quick))
    if run is not None:
        seen = run["metrics"]
        detail = f"Hausdorff {seen['hausdorff']:.3f}, mode shares {seen['mode_shares']}"
        report.add("Fig. 7, two-gaussians, diffusion: forward ESS", seen["forward_ess"], detail=detail)


def _goals(found: list[dict[str, Any]], report: Report) -> None:
    """Eq. 18 with the trainable interpolation, on every seed."""
    worst = {name: max(run["metrics"][name] for run in found) for name in ("forward_kl", "hausdorff")}
    off = max(abs(run["metrics"]["mode_shares"][1] - 2 / 3) for run in found)
    slowest = max(run["cpu_seconds"] for run in found) / 60
    of = f"the worst of {len(found)} seeds"
    report.add("eq. 18, trainable: forward KL", worst["forward_kl"], "", "<= 0.01", worst["forward_kl"] <= 0.01, of)
    report.add("eq. 18, trainable: Hausdorff", worst["hausdorff"], "", "<= 0.10", worst["hausdorff"] <= 0.10, of)
    report.add("eq. 18, trainable: far mode's share off 2/3 by", off, "", "<= 0.05", off <= 0.05, of)
    report.add("eq. 18, trainable: CPU minutes a run", slowest, "min", "<= 3", slowest <= 3, of)


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
    """CPU time to a forward ESS of 0.95 on eq. 18, from the paper's settings to ours.

    The first two rows do the same arithmetic but for rounding, so that they share the iterations of the second one's
    run; seconds an iteration are taken of all in turns, in one run.
    """
    costs = runs("speed, seconds an iteration", lambda: _costs(runs.quick))
    totals, last = [], False
    for name, recipe, by_autograd in STEPS:
        kept = STEPS[1] if by_autograd else (name, recipe, False)
        run = runs(f"speed, {kept[0]}", lambda r=kept[1]: _to_enough(r, runs.quick))
        if run is None or costs is None:
            report.add(f"eq. 18 to forward ESS {ENOUGH}: {name}", "not run", detail="--full")
            continue
        seconds = run["iterations"] * costs[name]
        totals.append(seconds)
        last = run["reached"]
        detail = f"{run['iterations']} iterations of {costs[name]:.3f} s" + (
            "" if run["reached"] else ", not reached"
        )
        report.add(f"eq. 18 to forward ESS {ENOUGH}: {name}", seconds, "CPU s", detail=detail)
    if len(totals) == len(STEPS):
        gain = totals[0] / totals[-1]
        detail = "" if last else "ours did not reach it"
        report.add(
            "eq. 18: CPU time of the paper's settings to ours", gain, "times", ">= 30", last and gain >= 30, detail
        )


def _to_enough(recipe: Recipe, quick: bool) -> dict[str, Any]:
    run = trained("two-gaussians", recipe, quick, every=100, until=ENOUGH)
    return {**run, "reached": run["iterations"] < recipe.iterations}


def _costs(quick: bool) -> dict[str, float]:
    """CPU seconds of an iteration of each, medians over turns."""
    trainings = []
    for name, recipe, by_autograd in STEPS:
        training = Training(problem_named("two-gaussians"), replace(recipe, steps=2, batch=8) if quick else recipe)
        if by_autograd:
            _differentiate_automatically(training)
        trainings.append((name, training))
    seconds: dict[str, list[float]] = {name: [] for name, _ in trainings}
    for _ in tqdm(range(2 if quick else 6), desc="turns"):
        for name, training in trainings:
            repeats = 1 if training.recipe.batch == 256 else 5
            began = time.process_time()
            for _ in range(repeats):
                training.advance()
            seconds[name].append((time.process_time() - began) / repeats)
    return {name: float(np.median(each[1:])) for name, each in seconds.items()}


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


FEW, MANY = 64, 256
"""Points an iteration; the second is the paper's."""
FIG_11 = [(points, 1.5, loss, FEW) for points in (4, 8, 16) for loss in ("continuity", "reverse-kl")]
TABLE_2 = [*((16, mass, "continuity", FEW) for mass in WELLS), (16, 6.0, "continuity", MANY)]
"""Points, mass, loss and batch of each run; one is in both."""
OF_A_REVERSE_WELL = 1200
"""Iterations of reverse KL: they cost two to three times as much as the 10,000 of the continuity loss."""
RHOS = (0.05, -0.05, 0.1, -0.1, 0.2)


def name_of_well(points: int, mass: float, loss: str, batch: int) -> str:
    """The name of a run."""
    return f"well, double-well:{points},{mass:g}, {loss}" + (f", batch {batch}" if batch != FEW else "")


def well(runs: Runs, report: Report) -> None:
    """Fig. 11, N = 4, 8, 16 at m = 1.5 for both losses; Table 2, N = 16 at four masses, the last with two batches."""
    size = {"width": 128, "layers": 3, "rate": 3e-3, "widen": 1.0, "iterations": 10_000}
    of_loss = {"continuity": {"thin": 3}, "reverse-kl": {"iterations": OF_A_REVERSE_WELL, **OF_REVERSE_KL}}

    def found(points: int, mass: float, loss: str, batch: int) -> dict[str, Any] | None:
        energy, recipe = f"double-well:{points},{mass:g}", Recipe(loss=loss, batch=batch, **{**size, **of_loss[loss]})
        return runs(name_of_well(points, mass, loss, batch), lambda: trained(energy, recipe, runs.quick))

    for case in FIG_11:
        _tell_well(report, f"Fig. 11, N {case[0]}, {case[2]}", found(*case), None)
    for case in TABLE_2:
        _tell_well(report, f"Table 2, m {case[1]:g}, batch {case[3]}", found(*case), WELLS[case[1]])


def _tell_well(report: Report, what: str, run: dict[str, Any] | None, theirs: tuple[float, ...] | None) -> None:
    if run is None:
        report.add(what, "not run", detail="--full")
        return
    seen = run["metrics"]
    detail = f"reverse KL {seen['reverse_kl']:.3f}, Hausdorff {seen['hausdorff']:.3f}, {run['cpu_seconds']:.0f} CPU s"
    if theirs:
        detail += f"; seed's {theirs[2]:g}, {theirs[1]:g}, {theirs[0]:g}"
    report.add(f"{what}: reverse ESS", seen["reverse_ess"], detail=detail)


def faces(runs: Runs, report: Report) -> None:
    """Polarity priors of the face generator: the flow, its free baseline, `bank` and `online`."""
    from faces import compare, tell

    for rho in RHOS:
        tell(runs(f"faces, rho {rho:g}", lambda r=rho: compare(r, runs.quick)), rho, report)


PARTS: Parts = {"table1": table_1, "speed": speed, "well": well, "faces": faces}


if __name__ == "__main__":
    main(str(__doc__), KEPT, PARTS)
