"""Curves of docs/ground-metric.md, from the runs that `runs.py` has kept.

python polar_plugins/ground_metric/benchmarks/pictures.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from runs import ACCEPTED, KEPT
from settings import SEEDS

OUT = Path(__file__).parents[1] / "docs" / "curves.png"


def main() -> None:
    """CMC and ROC of videos, means over seeds."""
    runs = json.loads(KEPT.read_text())
    found = [run["curves"] for seed in SEEDS if "curves" in (run := runs.get(f"videos, CMC, seed {seed}", {}))]
    if not found:
        raise SystemExit("error: no curves are kept\nhint: type: python runs.py --full --only videos")
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for method, colour in zip(found[0], colormaps["tab20"].colors, strict=False):
        cmc, roc = (np.mean([run[method][which] for run in found], 0) for which in ("cmc", "roc"))
        look = {"lw": 0.9, "color": colour}
        if method.startswith("W"):
            look = {"lw": 2, "color": "black", "ls": "--" if method == "W, M = I" else "-"}
        left.plot(np.arange(1, len(cmc) + 1), cmc, label=method, **look)
        right.plot(ACCEPTED, roc, **look)
    left.set(xlabel="rank", ylabel="matches among the nearest", title="CMC", ylim=(0, 1))
    right.set(xlabel="false acceptance", ylabel="true acceptance", title="ROC", ylim=(0, 1))
    left.legend(fontsize=6, ncols=2)
    figure.savefig(OUT, dpi=110)
    print(f"{OUT}: {len(found)} seeds")


if __name__ == "__main__":
    main()
