"""Fig. 3 of docs/pagan.md, from the runs that `runs.py` has kept.

python polar_plugins/pagan/benchmarks/pictures.py
"""

from __future__ import annotations

import json
from pathlib import Path

from matplotlib.figure import Figure
from runs import KEPT, MODELS, RIVALS, SEEDS, name_of

OUT = Path(__file__).parents[1] / "docs" / "figure-3.png"


def main() -> None:
    """Draw RID against RMSE: lines of test images that are distorted, and a point a model and seed."""
    runs = json.loads(KEPT.read_text())
    if "distortions" not in runs:
        raise SystemExit("error: distortions: not run\nhint: type: python runs.py --full --only figure3")
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    panel = figure.subplots()
    for (how, points), style in zip(runs["distortions"].items(), ("-o", "--s", ":^"), strict=True):
        panel.plot(*zip(*points, strict=True), style, ms=3, lw=1, label=f"test images, {how}")
    models = {model: [name_of("grey", model, {}, seed) for seed in SEEDS] for model in MODELS}
    for (model, names), marker in zip((models | {name: [name] for name in RIVALS}).items(), "*DvPX", strict=True):
        seen = [runs[name]["metrics"] for name in names if name in runs]
        panel.plot([each["rmse"] for each in seen], [each["rid"] for each in seen], marker, ms=7, label=model)
    panel.set(xlabel="RMSE, of 0 to 255", ylabel="RID", yscale="log")
    panel.legend(fontsize=7)
    figure.savefig(OUT, dpi=110)
    print(OUT)


if __name__ == "__main__":
    main()
