"""The two mixtures of the plane: Table 1 of the paper, its four forms of L, and Fig. 7; a part of `runs.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flows import LINEAR, OURS, REVERSE, trained
from polarprior_benchmarks.kept_runs import Runs, interval
from polarprior_benchmarks.reporting import Report
from polarprior_boltzmann.losses import FORMS

SEEDS = range(5)
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
RECIPES = {"reverse-kl": REVERSE, "linear": LINEAR, "trainable": OURS}
COARSE = replace(REVERSE, steps=10, rule="midpoint", batch=256, iterations=2000)
"""Reverse KL with the steps that the continuity loss takes."""
WORST_LINEAR = 0.97
"""What the reverse ESS of the linear interpolation should reach on eq. 2, on every seed."""


def table_1(runs: Runs, report: Report) -> None:
    """Both targets, all three losses, five seeds."""
    for (energy, loss), of_paper in TABLE_1.items():
        recipe = RECIPES[loss]
        found = runs.over(
            SEEDS,
            lambda seed, e=energy, name=loss: name_of_run(e, name, seed),
            lambda seed, e=energy, r=recipe: trained(e, replace(r, seed=seed), runs.quick),
        )
        if not found:
            report.add(f"Table 1, {energy}, {loss}", "not run", detail="--full")
            continue
        for name, theirs in zip(METRICS, of_paper, strict=True):
            mean, half = interval([run["metrics"][name] for run in found])
            detail = f"± {half:.3g} (95%), the paper's {theirs:g}"
            report.add(f"Table 1, {energy}, {loss}: {name}", mean, detail=detail)
        shares = [[round(share, 3) for share in run["metrics"]["mode_shares"]] for run in found]
        report.add(f"Table 1, {energy}, {loss}: runs", len(found), detail=f"mode shares {shares}")
        if (energy, loss) == ("two-gaussians", "trainable"):
            _goals(found, report)
        if (energy, loss) == ("four-gaussians", "linear"):
            worst = min(run["metrics"]["reverse_ess"] for run in found)
            goal = f">= {WORST_LINEAR}"
            report.add("eq. 2, linear: reverse ESS, the worst seed", worst, "", goal, worst >= WORST_LINEAR)
    run = runs("eq. 18, reverse KL, coarse steps", lambda: trained("two-gaussians", COARSE, runs.quick))
    if run is not None:
        _, _, loss, ess = run["curve"][-1] if run["curve"] else (0, 0, float("nan"), float("nan"))
        detail = f"reverse ESS {ess:g}: no reverse KL of a normalised target is below 0"
        report.add("eq. 18, reverse KL with coarse steps: loss", loss, detail=detail)
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


def forms(runs: Runs, report: Report) -> None:
    """Eq. 18 with the trainable interpolation, by the form of L (the paper's footnote 1); ``both`` is in Table 1."""
    for form in FORMS:
        found = runs.over(
            SEEDS,
            lambda seed, f=form: name_of_form(f, seed),
            lambda seed, f=form: trained("two-gaussians", replace(OURS, form=f, seed=seed), runs.quick),
        )
        if not found:
            report.add(f"L {form}", "not run", detail="--full")
            continue
        for name in METRICS:
            mean, half = interval([run["metrics"][name] for run in found])
            report.add(f"eq. 18, L {form}: {name}", mean, detail=f"± {half:.3g} (95%), {len(found)} seeds")


def name_of_run(energy: str, loss: str, seed: int) -> str:
    """The name of a run of Table 1."""
    return f"table 1, {energy}, {loss}, seed {seed}"


def name_of_form(form: str, seed: int) -> str:
    """The name of a run with a form of L."""
    return name_of_run("two-gaussians", "trainable", seed) if form == OURS.form else f"L, {form}, seed {seed}"
