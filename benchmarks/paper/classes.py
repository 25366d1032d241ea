"""Polarity of each class against truncation, and what its modes look like: Fig. 8, 10 and 19 of the paper.

    python benchmarks/paper/classes.py [--quick]

``mnist:classes`` in pixel space, five banks of 2,000 latents a class, against the test digits of that class (about
1,000; the paper has 1,300 real and generated images a class). Weights are within the class. The grid of modes is
docs/paper/class-modes.png.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scene as shared
import torch
from claims import Claim, Part
from data import digits, grey
from polarprior.images.pictures import png_bytes
from polarprior.sweeps.modes import EXTREMES, ModesOptions, modes, modes_picture
from scene import Real, Scene, experiment, plain_row, polarity_row
from telling import JUDGED, Results, at_equal, edge, ess, gap, in_a_line, mean_of, shown, signed, table

TILTS, BOUNDS = (-1.0, -0.5, 0.0, 0.5, 1.0), (0.5, 0.8, 1.2, 2.0)
DIGITS = range(10)
EDITION = 2
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
            rows.append({"class": digit, "asked": tilt, **polarity_row(scene, real, scene.rho_of(tilt))})
            print(f"{digit}, tilt {tilt:g}: {in_a_line(rows[-1]['metrics'][JUDGED])}", flush=True)
        for bound in BOUNDS:
            cut = Scene("mnist:classes", label=digit, trunc=bound)
            for tilt in (each for each in TILTS if each < 0):
                row = plain_row(cut, real, scene.repetitions(scene.rho_of(tilt)))
                truncations.append({"class": digit, "bound": bound, "repetitions of": tilt, **row})
        for anti in (False, True):
            groups.append(modes(scene.generator, scene.bank(0), ModesOptions(10, anti, label=digit)))
    if not quick:
        about = f"mnist:classes, pixel space: ten modes and ten anti-modes of each class, {EXTREMES}"
        PICTURE.write_bytes(png_bytes(modes_picture(groups, f"{about}\n{shared.ROWS} latents a class", 10)))
    return {"polarity": rows, "truncation": truncations}


def tell(results: Results, pictures: Path) -> str:
    """A row a class at the lower limit, and the grid of modes."""
    cells = []
    for digit, row, cut in _at_the_limit(results):
        effect, seen = row["effect"][JUDGED], row["metrics"][JUDGED]
        about = (f"{digit}", f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row))
        figures = [text for name in ("precision", "recall") for text in (shown(seen[name]), signed(effect[name]))]
        cells.append((*about, *figures, gap(at_equal("precision", row, cut))))
    heads = ("class", "rho", "tilt", "ESS", "precision", "effect", "recall", "effect", "recall above truncation's")
    return (
        f"at the lowest rho that all five banks support, of {results['rows']:,} latents each.\n\n"
        f"{table(heads, cells)}\n\n![Modes and anti-modes of each class](paper/class-modes.png)"
    )


def _at_the_limit(results: Results) -> Iterator[tuple[int, Results, list[Results]]]:
    """Classes with their row at the lowest rho that all banks support, and truncations with its repetitions."""
    for digit in sorted({row["class"] for row in results["polarity"]}):
        row = edge([row for row in results["polarity"] if row["class"] == digit], -1)
        if row is not None:
            about = (digit, row["asked"])
            cut = [each for each in results["truncation"] if (each["class"], each["repetitions of"]) == about]
            # No truncation at all is the end of its curve: the control, with the same repetitions.
            yield digit, row, [*cut, {"metrics": row["control"]}]


def claims(results: Results) -> list[Claim]:
    """Fig. 8, bottom, 10 and 19."""
    rows = list(_at_the_limit(results))
    above = [at_equal("precision", row, cut) for _, row, cut in rows]
    where = f"mean over {len(rows)} classes, at the lowest rho of each"
    raised = mean_of([row["effect"][JUDGED]["precision"] for _, row, _ in rows])
    more = None if None in above else mean_of([each for each in above if each])
    return [
        Claim(
            "4.1",
            "Fig. 8",
            "rho < 0 raises precision within a class, in the mean over classes",
            "precision against the control",
            (Part(where, raised, 1),),
        ),
        Claim(
            "4.1",
            "Fig. 8",
            "within a class polarity has more recall than truncation at equal precision, in the mean over classes",
            "recall less truncation's, with the same repetitions",
            (Part(where, more, 1),),
        ),
        Claim("5.1", "Fig. 5, 10, 19", "the modes of a class show the object alone", "digits have no background"),
    ]


if __name__ == "__main__":
    experiment("classes", "Fig. 8, 10, 19", run)
