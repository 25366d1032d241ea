"""Boltzmann flows: the paper's tables, what each step of a faster training brings, and polarity priors of faces.

    python polar_plugins/boltzmann/benchmarks/runs.py [--quick] [--full] [--json FILE]
                                                      [--only table1,forms,speed,table2,fig11,faces]

The paper is Máté and Fleuret, *Learning Interpolations between Boltzmann Densities* (TMLR 2023). Every run is kept in
``results/runs.json`` as soon as it is done, with its CPU seconds, and --full makes those that are missing: about five
CPU hours for the planar targets, two for the speeds, and ten for the double well. Without --full the runs that are
there are told; --quick makes tiny ones and keeps nothing.
"""

from __future__ import annotations

from pathlib import Path

from planar import forms, table_1
from polarprior_benchmarks.kept_runs import Parts, Runs, main
from polarprior_benchmarks.reporting import Report
from speed import speed
from wells import fig_11, table_2

KEPT = Path(__file__).parent / "results" / "runs.json"
RHOS = (0.05, -0.05, 0.1, -0.1, 0.2)


def faces(runs: Runs, report: Report) -> None:
    """Polarity priors of the face generator: the flow, its free baseline, `bank` and `online`."""
    from faces import compare, tell

    for rho in RHOS:
        tell(runs(f"faces, rho {rho:g}", lambda r=rho: compare(r, runs.quick)), rho, report)


PARTS: Parts = {
    "table1": table_1,
    "forms": forms,
    "speed": speed,
    "table2": table_2,
    "fig11": fig_11,
    "faces": faces,
}


if __name__ == "__main__":
    main(str(__doc__), KEPT, PARTS)
