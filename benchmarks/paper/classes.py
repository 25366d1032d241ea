"""Polarity of each class against truncation, and what its modes look like: Fig. 8, 10 and 19 of the paper.

    python benchmarks/paper/classes.py [--quick]

``mnist:classes`` in pixel space, five banks of 2,000 latents a class, against the test digits of that class (about
1,000; the paper has 1,300 real and generated images a class). Weights are within the class. The grid of modes is
docs/paper/class-modes.png.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import scene as shared
import torch
from data import digits, grey
from polarprior.images.pictures import png_bytes
from polarprior.sweeps.modes import EXTREMES, ModesOptions, modes, modes_picture
from scene import Real, Scene, experiment, plain_row, polarity_row
from telling import JUDGED, at_equal_precision, in_a_line, shown, signed, table, verdict

TILTS, BOUNDS = (-1.0, -0.5, 0.0, 0.5, 1.0), (0.5, 0.8, 1.2, 2.0)
DIGITS = range(10)
PICTURE = Path(__file__).parents[2] / "docs" / "paper" / "class-modes.png"


def run(quick: bool) -> dict[str, Any]:
    if not quick:
        shared.ROWS = 2000
    rows, truncations, groups = [], [], []
    labels = torch.from_numpy(digits("test")[1])
    for digit in (3,) if quick else DIGITS:
        scene = Scene("mnist:classes", label=digit)
        shared.COMPARED = int((labels == digit).sum())
        real = Real(scene, grey("test")[labels == digit])
        for tilt in TILTS:
            rows.append({"class": digit, **polarity_row(scene, real, scene.rho_of(tilt))})
            print(f"{digit}, tilt {tilt:g}: {in_a_line(rows[-1]['metrics'][JUDGED])}", flush=True)
        for bound in BOUNDS:
            cut = plain_row(Scene("mnist:classes", label=digit, trunc=bound), real)
            truncations.append({"class": digit, "bound": bound, **cut})
        for anti in (False, True):
            groups.append(modes(scene.generator, scene.bank(0), ModesOptions(10, anti, label=digit)))
    if not quick:
        about = f"mnist:classes, pixel space: ten modes and ten anti-modes of each class, {EXTREMES}"
        PICTURE.write_bytes(png_bytes(modes_picture(groups, f"{about}\n{shared.ROWS} latents a class", 10)))
    return {"polarity": rows, "truncation": truncations}


def tell(results: dict[str, Any], pictures: Path) -> str:
    """A row a class at the lower limit, and the grid of modes."""
    cells = []
    for digit in sorted({row["class"] for row in results["polarity"]}):
        rows = [row for row in results["polarity"] if row["class"] == digit and row["within_limits"] == 1]
        row = min(rows, key=lambda each: each["rho"])
        # No truncation at all is the end of its curve.
        whole = next(each for each in rows if each["rho"] == 0)
        cut = [each for each in results["truncation"] if each["class"] == digit]
        effect, seen = row["effect"][JUDGED], row["metrics"][JUDGED]
        cells.append(
            (
                f"{digit}",
                f"{row['rho']:g}",
                f"{row['tilt']:.2f}",
                f"{row['ess']:.0f}",
                shown(seen["precision"]),
                signed(effect["precision"]),
                shown(seen["recall"]),
                signed(effect["recall"]),
                verdict(effect["precision"], 1),
                *at_equal_precision(row, [*cut, whole]),
            )
        )
    heads = ("class", "rho", "tilt", "ESS", "precision", "effect", "recall", "effect", "precision rises")
    above, beyond = (sum(cell[place] == "agrees" for cell in cells) for place in (-3, -1))
    return (
        f"at the lowest rho that all five banks support, of {results['rows']:,} latents each; precision is above "
        f"the control's in {above} of {len(cells)} classes, and recall above truncation's at equal precision in "
        f"{beyond}, each interval by itself.\n\n"
        f"{table((*heads, 'recall above truncation', 'verdict'), cells)}\n\n"
        "![Modes and anti-modes of each class](paper/class-modes.png)"
    )


if __name__ == "__main__":
    experiment("classes", "Fig. 8, 10, 19", run)
