"""Writes the tables of docs/boltzmann.md from the runs that `runs.py` has kept.

python polar_plugins/boltzmann/benchmarks/page.py
"""

from __future__ import annotations

from pathlib import Path

from polarprior_benchmarks.pages import Kept, Rows, told, write_tables
from runs import ENOUGH, FIG_11, KEPT, METRICS, RHOS, SEEDS, STEPS, TABLE_1, TABLE_2, WELLS, name_of_well

PAGE = Path(__file__).parents[1] / "docs" / "boltzmann.md"
NAMES = {"four-gaussians": "eq. 2", "two-gaussians": "eq. 18"}


def table_1(runs: Kept) -> Rows:
    """Means over seeds, and the paper's figures below."""
    yield ("target, loss", "seeds", "Hausdorff", "reverse KL", "reverse ESS", "forward KL", "forward ESS", "CPU s")
    for (energy, loss), theirs in TABLE_1.items():
        names = [f"table 1, {energy}, {loss}, seed {seed}" for seed in SEEDS]
        found = [runs[name] for name in names if name in runs]
        what = f"{NAMES[energy]}, {loss}"
        if not found:
            yield (what, "0", *["not run yet"] * (len(METRICS) + 1))
        else:
            means = [told([run["metrics"][name] for run in found]) for name in METRICS]
            seconds = f"{sum(run['cpu_seconds'] for run in found) / len(found):.0f}"
            yield (what, str(len(found)), *means, seconds)
        yield ("*the paper's*", "5", *(f"*{value:g}*" for value in theirs), "")


def speed(runs: Kept) -> Rows:
    """Iterations, seconds each, and their product."""
    yield ("settings", "iterations", "CPU s each", "CPU s", "times faster")
    costs, first = runs.get("speed, seconds an iteration"), None
    for name, _, by_autograd in STEPS:
        run = runs.get(f"speed, {STEPS[1][0] if by_autograd else name}")
        if run is None or costs is None:
            yield (name, *["not run yet"] * 4)
            continue
        seconds = run["iterations"] * costs[name]
        first = first or seconds
        short = "" if run["reached"] else f", {ENOUGH} not reached"
        yield (name, f"{run['iterations']}{short}", f"{costs[name]:.3f}", f"{seconds:.0f}", f"{first / seconds:.1f}")


def faces(runs: Kept) -> Rows:
    """Each rho by each sampler."""
    yield (
        "rho",
        "sampler",
        "ESS, share",
        "k-hat",
        "ESS on the bank",
        "Jacobians a draw",
        "CPU s a draw",
        "draws, p against `online`",
    )
    for rho in RHOS:
        run = runs.get(f"faces, rho {rho:g}")
        if run is None:
            yield (f"{rho:g}", *["not run yet"] * 7)
            continue
        for name in ("flow", "shift"):
            found = run[name]
            yield (
                f"{rho:g}",
                f"`boltzmann:{name if name == 'shift' else 'FLOW'}`",
                f"{found['ess'] / found['gate']:.2f}",
                f"{found['k_hat']:.2f}",
                f"{found['forward_ess']:.2f}",
                f"{found['jacobians_a_draw']:.0f}",
                f"{found['cpu_seconds_a_draw']:.1f}",
                f"{found['draws']}, {found['p_against_online']:.2g}",
            )
        online, bank = run["online"], run["bank"]
        spent = (f"{online['jacobians_a_draw']:.1f}", f"{online['cpu_seconds_a_draw']:.1f}")
        yield (f"{rho:g}", "`online`", "", "", "", *spent, f"{online['draws']}")
        yield (f"{rho:g}", "`bank`", f"{bank['ess'] / bank['rows']:.2f}", f"{bank['k_hat']:.2f}", "", "0", "0.0", "")


def wells(runs: Kept) -> Rows:
    """Fig. 11 and Table 2, where they have ended."""
    numbers = ("CPU min", "reverse ESS", "reverse KL", "Hausdorff")
    yield ("double well", "loss", "batch", "iterations", *numbers, "*the paper's*")
    for case in dict.fromkeys([*FIG_11, *TABLE_2]):
        points, mass, loss, batch = case
        run = runs.get(name_of_well(*case))
        what = (f"N = {points}, m = {mass:g}", loss, str(batch))
        theirs = ", ".join(f"*{each:g}*" for each in WELLS[mass][::-1]) if case in TABLE_2 else ""
        if run is None:
            yield (*what, *["not run yet"] * 5, theirs)
            continue
        seen = run["metrics"]
        numbers = (f"{seen['reverse_ess']:.3f}", f"{seen['reverse_kl']:.2f}", f"{seen['hausdorff']:.3f}")
        yield (*what, str(run["iterations"]), f"{run['cpu_seconds'] / 60:.0f}", *numbers, theirs)


if __name__ == "__main__":
    write_tables(PAGE, KEPT, {"table 1": table_1, "speed": speed, "faces": faces, "wells": wells})
