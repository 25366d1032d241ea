"""Writes the tables of docs/boltzmann.md from the runs that `runs.py` has kept.

python polar_plugins/boltzmann/benchmarks/page.py
"""

from __future__ import annotations

from pathlib import Path
from statistics import median

from planar import METRICS, SEEDS, TABLE_1, name_of_form, name_of_run
from polarprior_benchmarks.pages import Kept, Rows, told, write_tables
from polarprior_boltzmann.losses import FORMS
from runs import KEPT, RHOS
from speed import ENOUGH, STEPS, name_of_step
from speed import SEEDS as OF_SPEED
from wells import FIG_11, OF_TABLE_2, WELLS, WIDE
from wells import METRICS as OF_WELLS

PAGE = Path(__file__).parents[1] / "docs" / "boltzmann.md"
MISSING = "not run yet"
NAMES = {"four-gaussians": "eq. 2", "two-gaussians": "eq. 18"}


def table_1(runs: Kept) -> Rows:
    """Means over seeds, and the paper's figures below."""
    yield ("target, loss", "seeds", "Hausdorff", "reverse KL", "reverse ESS", "forward KL", "forward ESS", "CPU s")
    for (energy, loss), theirs in TABLE_1.items():
        yield (f"{NAMES[energy]}, {loss}", *_over_seeds(runs, [name_of_run(energy, loss, seed) for seed in SEEDS]))
        yield ("*the paper's*", "5", *(f"*{value:g}*" for value in theirs), "")


def forms(runs: Kept) -> Rows:
    """The four forms of L on eq. 18, means over seeds."""
    yield ("L", "seeds", "Hausdorff", "reverse KL", "reverse ESS", "forward KL", "forward ESS", "CPU s")
    for form in FORMS:
        yield (form, *_over_seeds(runs, [name_of_form(form, seed) for seed in SEEDS]))


def _over_seeds(runs: Kept, names: list[str]) -> tuple[str, ...]:
    """How many runs there are, the means of `METRICS`, and of their CPU seconds."""
    found = [runs[name] for name in names if name in runs]
    if not found:
        return ("0", *[MISSING] * (len(METRICS) + 1))
    means = [told([run["metrics"][name] for run in found]) for name in METRICS]
    return (str(len(found)), *means, f"{sum(run['cpu_seconds'] for run in found) / len(found):.0f}")


def log_z(runs: Kept) -> Rows:
    """The integral of the learnt C_t: log Z of both targets is 0."""
    yield ("target, interpolation", "seeds", "log Z", "the furthest from 0")
    for energy, loss in ((energy, loss) for energy, loss in TABLE_1 if loss != "reverse-kl"):
        found = [runs[name] for seed in SEEDS if (name := name_of_run(energy, loss, seed)) in runs]
        values = [run["metrics"]["log_z"] for run in found if "log_z" in run["metrics"]]
        cells = (told(values), f"{max(map(abs, values)):.4f}") if values else (MISSING, MISSING)
        yield (f"{NAMES[energy]}, {loss}", str(len(values)), *cells)


def speed(runs: Kept) -> Rows:
    """Medians over seeds, and their range."""
    yield ("settings", "seeds", "iterations", "CPU s", "least and most", "times faster")
    first = None
    for name, *_ in STEPS:
        found = [runs[own] for seed in OF_SPEED if (own := name_of_step(name, seed)) in runs]
        if not found:
            yield (name, "0", *[MISSING] * 4)
            continue
        if not all(run["reached"] for run in found):
            yield (name, str(len(found)), f"{ENOUGH} not reached on every seed", *[""] * 3)
            continue
        seconds = [run["cpu_seconds"] for run in found]
        middle = median(seconds)
        first = first or middle
        counts = f"{median(run['iterations'] for run in found):.0f}"
        yield (
            name,
            str(len(found)),
            counts,
            f"{middle:.0f}",
            f"{min(seconds):.0f}, {max(seconds):.0f}",
            f"{first / middle:.1f}",
        )


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
            yield (f"{rho:g}", *[MISSING] * 7)
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
    """Fig. 11, and the hardest mass with the paper's batch: one seed each."""
    numbers = ("CPU min", "reverse ESS", "reverse KL", "Hausdorff")
    yield ("double well", "loss", "batch", "iterations", *numbers)
    for case in [*FIG_11, WIDE]:
        run = runs.get(case.name)
        what = (f"N = {case.points}, m = {case.mass:g}", case.loss, str(case.batch))
        if run is None:
            yield (*what, *[MISSING] * 5)
            continue
        seen = run["metrics"]
        figures = (f"{seen['reverse_ess']:.3f}", f"{seen['reverse_kl']:.2f}", f"{seen['hausdorff']:.3f}")
        yield (*what, str(run["iterations"]), f"{run['cpu_seconds'] / 60:.0f}", *figures)


def table_2(runs: Kept) -> Rows:
    """Both losses at four masses, means over seeds."""
    yield ("m", "loss", "seeds", "reverse ESS", "reverse KL", "Hausdorff", "smaller mode's share", "CPU min")
    for (mass, loss), cases in OF_TABLE_2.items():
        found = [runs[case.name] for case in cases if case.name in runs]
        if found:
            means = [told([run["metrics"][name] for run in found]) for name in OF_WELLS]
            shares = ", ".join(f"{min(run['metrics']['mode_shares']):.2f}" for run in found)
            minutes = sum(run["cpu_seconds"] for run in found) / len(found) / 60
            yield (f"{mass:g}", loss, str(len(found)), *means, shares, f"{minutes:.0f}")
        else:
            yield (f"{mass:g}", loss, "0", *[MISSING] * 5)
        if loss == "continuity":
            yield (f"{mass:g}", "*the paper's*", "", *(f"*{value:g}*" for value in WELLS[mass][::-1]), "", "")


if __name__ == "__main__":
    tables = {
        "table 1": table_1,
        "forms": forms,
        "log z": log_z,
        "speed": speed,
        "faces": faces,
        "wells": wells,
        "table 2": table_2,
    }
    write_tables(PAGE, KEPT, tables)
