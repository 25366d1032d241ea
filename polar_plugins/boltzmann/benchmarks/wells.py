"""The double well of the paper's section 4.2: Table 2 and Fig. 11, parts of `runs.py`."""

from __future__ import annotations

from typing import Any, NamedTuple

from flows import trained
from polarprior_benchmarks.kept_runs import Runs, interval
from polarprior_benchmarks.reporting import Report
from polarprior_boltzmann.recipe import OF_REVERSE_KL, Recipe

WELLS = {
    1.5: (0.678, -1.054, 0.991),
    3.0: (0.486, -1.835, 0.979),
    4.5: (0.335, -9.765, 0.966),
    6.0: (0.300, -23.19, 0.963),
}
"""Table 2, the continuity loss: Hausdorff, reverse KL, reverse ESS by mass."""
FEW, MANY = 64, 256
"""Points an iteration; the second is the paper's."""
POINTS = 16
"""N of Table 2."""
SEEDS = range(3)
LOSSES = ("continuity", "reverse-kl")
OF_A_REVERSE_WELL = 1200
"""Iterations of reverse KL in Fig. 11: they cost two to three times as much as the 10,000 of the continuity loss."""
OF_THE_SAME_COST = 500
"""Iterations of reverse KL in Table 2: these cost about as much as the 10,000."""
METRICS = ("reverse_ess", "reverse_kl", "hausdorff")


class Case(NamedTuple):
    """A double well, and how it is learnt.

    Attributes:
        points, mass: N and m.
        loss: one of `LOSSES`.
        batch: points an iteration.
        seed: of the training.
        iterations: how many.
    """

    points: int
    mass: float
    loss: str
    batch: int = FEW
    seed: int = 0
    iterations: int = 10_000

    @property
    def name(self) -> str:
        """The name of its run."""
        found = f"well, double-well:{self.points},{self.mass:g}, {self.loss}"
        found += f", batch {self.batch}" if self.batch != FEW else ""
        found += f", seed {self.seed}" if self.seed else ""
        usual = OF_A_REVERSE_WELL if self.loss == "reverse-kl" else 10_000
        return found + (f", {self.iterations} iterations" if self.iterations != usual else "")


def _case(points: int, mass: float, loss: str) -> Case:
    return Case(points, mass, loss, iterations=OF_A_REVERSE_WELL if loss == "reverse-kl" else 10_000)


FIG_11 = [
    *(_case(points, 1.5, loss) for points in (4, 8, 16) for loss in LOSSES),
    *(_case(points, 1.5, "continuity") for points in (32, 64)),
]
"""Reverse KL of 32 points would take four hours, of 64 more than a day."""
OF_TABLE_2 = {
    (mass, loss): [
        Case(POINTS, mass, loss, seed=seed, iterations=OF_THE_SAME_COST if loss == "reverse-kl" else 10_000)
        for seed in SEEDS
    ]
    for mass in WELLS
    for loss in LOSSES
}
WIDE = Case(POINTS, 6.0, "continuity", MANY)
"""The paper's batch, at the mass that is hardest."""


def of(runs: Runs, case: Case) -> dict[str, Any] | None:
    """The run of a case."""
    size = {"width": 128, "layers": 3, "rate": 3e-3, "widen": 1.0, "iterations": case.iterations, "seed": case.seed}
    own = {"thin": 3} if case.loss == "continuity" else OF_REVERSE_KL
    recipe = Recipe(loss=case.loss, batch=case.batch, **{**size, **own})
    return runs(case.name, lambda: trained(f"double-well:{case.points},{case.mass:g}", recipe, runs.quick))


def table_2(runs: Runs, report: Report) -> None:
    """Table 2, both losses at four masses over three seeds; and the paper's batch at the hardest mass."""
    for (mass, loss), cases in OF_TABLE_2.items():
        found = [run for case in (cases[:1] if runs.quick else cases) if (run := of(runs, case)) is not None]
        for name in METRICS:
            if not found:
                report.add(f"Table 2, m {mass:g}, {loss}: {name}", "not run", detail="--full")
                continue
            mean, half = interval([run["metrics"][name] for run in found])
            detail = f"± {half:.3g} (95%), {len(found)} seeds"
            if loss == "continuity":
                detail += f"; the paper's {WELLS[mass][::-1][METRICS.index(name)]:g}"
            report.add(f"Table 2, m {mass:g}, {loss}: {name}", mean, detail=detail)
    _tell(runs, report, WIDE)


def fig_11(runs: Runs, report: Report) -> None:
    """Fig. 11, both losses by N at m = 1.5."""
    for case in FIG_11:
        _tell(runs, report, case)


def _tell(runs: Runs, report: Report, case: Case) -> None:
    """Report the run of a case."""
    run = of(runs, case)
    what = f"N {case.points}, m {case.mass:g}, {case.loss}, batch {case.batch}"
    if run is None:
        report.add(what, "not run", detail="--full")
        return
    seen = run["metrics"]
    detail = f"reverse KL {seen['reverse_kl']:.3f}, Hausdorff {seen['hausdorff']:.3f}"
    detail += f", mode shares {seen['mode_shares']}"
    report.add(f"{what}: reverse ESS", seen["reverse_ess"], detail=f"{detail}, {run['cpu_seconds']:.0f} CPU s")
