"""Polarity of a model that truncation does nothing for: Tab. 5 of the paper.

    python benchmarks/paper/progressive.py [--quick]

``mnist:progressive``, which normalises its latents as ProGAN does, in pixel space; and the paper's control, each
number of z within ± beta.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scene import TILTS, Real, Scene, experiment, plain_row, polarity_row
from telling import JUDGED, shown, side, signed, table, told

BOUNDS = (1e-4, 1e-2, 0.1, 0.5, 1.0, 2.0, 10.0)


def run(quick: bool) -> dict[str, Any]:
    scene = Scene("mnist:progressive")
    real = Real.test_digits(scene)
    rows, truncations = [], []
    for tilt in TILTS[:: 5 if quick else 1]:
        rows.append(polarity_row(scene, real, scene.rho_of(tilt)))
        print(told(rows[-1]), flush=True)
    for bound in BOUNDS[:: 3 if quick else 1]:
        truncations.append({**plain_row(Scene("mnist:progressive", within=bound), real), "bound": bound})
        print(told(truncations[-1]), flush=True)
    return {"halves": real.halves(), "polarity": rows, "truncation": truncations}


def tell(results: dict[str, Any], pictures: Path) -> str:
    """Two tables."""
    cells = []
    for row in results["polarity"]:
        seen, effect = row["metrics"][JUDGED], row["effect"][JUDGED]
        about = (f"{row['rho']:g}", f"{row['tilt']:.2f}", f"{row['ess']:.0f}")
        figures = [shown(seen[name]) for name in ("fid", "precision", "recall")]
        falls = side(row, effect["precision"], -1 if row["rho"] > 0 else 1)
        cells.append((*about, *figures, signed(effect["precision"]), signed(effect["recall"]), falls))
    heads = ("rho", "tilt", "ESS", "FID", "precision", "recall", "effect on precision", "on recall")
    cut = [
        (f"{row['bound']:g}", *(shown(row["metrics"][JUDGED][name]) for name in ("fid", "precision", "recall")))
        for row in results["truncation"]
    ]
    return (
        "the verdict is whether precision falls as rho rises.\n\n"
        f"{table((*heads, 'verdict'), cells)}\n\nLatents truncated to ± beta instead:\n\n"
        f"{table(('beta', 'FID', 'precision', 'recall'), cut)}"
    )


if __name__ == "__main__":
    experiment("progressive", "Tab. 5", run)
