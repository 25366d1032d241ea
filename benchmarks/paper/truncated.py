"""rho > 0 on truncated models, the paper's largest gain: C.3 of its supplement.

    python benchmarks/paper/truncated.py [--quick]

``mnist:style`` at psi 0.9, 0.7 and 0.5, with banks of each; tilts of 0 to 2 in pixel space.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from claims import Claim, Part
from scene import Real, Scene, experiment, minus, polarity_row
from telling import JUDGED, Results, ess, gain, less, shown, signed, table, told

PSIS = (0.9, 0.7, 0.5)
TILTS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)


def run(quick: bool) -> dict[str, Any]:
    rows = []
    for psi in PSIS[:1] if quick else PSIS:
        scene = Scene("mnist:style", trunc=psi)
        real = Real.test_digits(scene)
        for tilt in TILTS[::3] if quick else TILTS:
            rows.append(polarity_row(scene, real, scene.rho_of(tilt)))
            print(f"psi {psi:g}, {told(rows[-1])}", flush=True)
    return {"rows": rows}


def tell(results: dict[str, Any], pictures: Path) -> str:
    """A table."""
    plain = {row["trunc"]: row for row in results["rows"] if row["rho"] == 0}
    cells = []
    for row in results["rows"]:
        at = plain[row["trunc"]]["metrics"][JUDGED]["fid"]
        mine = row["metrics"][JUDGED]["fid"]
        change = minus(mine, at)
        told_as = (f"{row['trunc']:g}", f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row))
        effect = row["effect"][JUDGED]["fid"]
        cells.append((*told_as, shown(mine), signed(change), signed(effect)))
    heads = ("psi", "rho", "tilt", "ESS", "FID", "against rho 0", "against its control")
    return f"on `mnist:style`, volumes of pixels.\n\n{table(heads, cells)}"


def claims(results: Results) -> list[Claim]:
    """C.3."""
    gains = {}
    for psi in PSIS:
        rows = [row for row in results["rows"] if row["trunc"] == psi]
        gains[psi] = gain(rows, lambda row: row["metrics"][JUDGED]["fid"])
    steps = [
        Part(f"psi {low:g} less {high:g}", less(gains[low], gains[high]), -1, chosen=True)
        for high, low in pairwise(PSIS)
    ]
    of_tilts = f"{len(TILTS) - 1} tilts from {TILTS[1]:g} to {TILTS[-1]:g}"
    by = f"change of the FID from rho 0 to the best on other banks of {of_tilts}"
    return [
        Claim(
            "C.3",
            "",
            "at psi 0.9, 0.7 and 0.5 some rho > 0 lowers the FID",
            by,
            tuple(Part(f"psi {psi:g}", change, -1, chosen=True) for psi, change in gains.items()),
        ),
        Claim(
            "C.3",
            "",
            "some rho > 0 lowers the FID the more, the more is truncated",
            f"{by}, at one psi less that at the next",
            tuple(steps),
        ),
    ]


if __name__ == "__main__":
    experiment("truncated", "C.3", run)
