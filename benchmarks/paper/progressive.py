"""Polarity of a model that truncation does nothing for: Tab. 5 of the paper.

    python benchmarks/paper/progressive.py [--quick]

``mnist:progressive``, which normalises its latents as ProGAN does, in pixel space; and the paper's control, each
number of z within ± beta.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from claims import Claim, Part, at_the_end
from scene import TILTS, Real, Scene, experiment, minus, plain_row, polarity_row
from telling import JUDGED, Results, ess, gain, shown, signed, table, told

BOUNDS = (1e-4, 1e-2, 0.1, 0.5, 1.0, 2.0, 10.0)
NEGLIGIBLE = 0.03
"""A change of precision or recall that is none beside those that rho makes here, which are five times as large."""
JUDGED_BOUNDS = (0.01, 0.5, 1.0, 2.0)
"""Bounds that are judged: one of the three smallest, which do the same once latents are normalised."""


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
        about = (f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row))
        figures = [shown(seen[name]) for name in ("fid", "precision", "recall")]
        cells.append((*about, *figures, signed(effect["precision"]), signed(effect["recall"])))
    heads = ("rho", "tilt", "ESS", "FID", "precision", "recall", "effect on precision", "on recall")
    cut = [
        (f"{row['bound']:g}", *(shown(row["metrics"][JUDGED][name]) for name in ("fid", "precision", "recall")))
        for row in results["truncation"]
    ]
    return (
        f"effects are against the control.\n\n{table(heads, cells)}\n\nLatents truncated to ± beta instead:\n\n"
        f"{table(('beta', 'FID', 'precision', 'recall'), cut)}"
    )


def claims(results: Results) -> list[Claim]:
    """Tab. 5 and C.2."""
    rows, cut = results["polarity"], results["truncation"]

    def ends(metric: str, way: int) -> tuple[Part, ...]:
        return tuple(
            at_the_end(rows, sign, metric, lambda row: row["effect"][JUDGED][metric], way * sign) for sign in (-1, 1)
        )

    loosest = max(cut, key=lambda row: row["bound"])
    null = [
        Part(
            f"{metric}, beta {row['bound']:g}",
            minus(row["metrics"][JUDGED][metric], loosest["metrics"][JUDGED][metric]),
            0,
            NEGLIGIBLE,
        )
        for row in cut
        if row["bound"] in JUDGED_BOUNDS
        for metric in ("precision", "recall")
    ]
    on = "against the control, at both ends of the limits"
    return [
        Claim(
            "C.2",
            "Tab. 5",
            "a progressive network's precision falls as rho rises",
            f"precision {on}",
            ends("precision", -1),
        ),
        Claim("C.2", "Tab. 5", "a progressive network's recall rises with rho", f"recall {on}", ends("recall", 1)),
        Claim(
            "C.2",
            "Tab. 5",
            "truncating a progressive network's latents changes neither its precision nor its recall",
            f"change from beta {loosest['bound']:g}, within ±{NEGLIGIBLE:g}",
            tuple(null),
        ),
        Claim(
            "C.2",
            "",
            "some rho other than 0 lowers a progressive network's FID",
            "FID at the rho other than 0 that is best on other banks, less that at rho 0",
            (Part("polarity in pixel", gain(rows, lambda row: row["metrics"][JUDGED]["fid"]), -1, chosen=True),),
        ),
    ]


if __name__ == "__main__":
    experiment("progressive", "Tab. 5", run)
