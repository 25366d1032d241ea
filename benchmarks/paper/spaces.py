"""In which space polarity does most, at equal rho and at equal tilt: Fig. 8 and A.5 of the paper's supplement.

    python benchmarks/paper/spaces.py [--quick]

``mnist:style``, with volume measured in pixels, in styles, and in the features of a classifier and of an autoencoder.
Effects on precision and recall are against the control, in the classifier's space. A common rho is one that the banks
of all spaces support, the largest on either side; the same tilt is as strong in each space.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from claims import Claim, Part
from polarprior.law.limits import floor_to
from scene import Pieces, Real, Scene, experiment, interval, polarity_row
from telling import JUDGED, SECOND, Results, ess, less, signed, table

MODEL, SPACES = "mnist:style", ("style", "pixel", "mnist:encoder", "mnist:classifier")
TILTS = (-1.0, -0.5, 0.5, 1.0)
NEGLIGIBLE = 0.03
"""A difference of effects on precision or recall that is none beside the effects."""


def run(quick: bool) -> dict[str, Any]:
    pieces = Pieces("spaces")
    scenes = {space: Scene(MODEL, space) for space in (SPACES[:2] if quick else SPACES)}
    k = min(scene.drawn_k for scene in scenes.values())
    for scene in scenes.values():
        scene.drawn_k = k  # an equal rho is another law where it is of another k
    real = Real.test_digits(next(iter(scenes.values())))
    lower, upper = zip(*(scene.limits() for scene in scenes.values()), strict=True)
    common = [floor_to(max(lower)), floor_to(min(upper))]
    rows = []
    for space, scene in scenes.items():
        wanted = [("rho", rho, rho) for rho in common] + [("tilt", tilt, scene.rho_of(tilt)) for tilt in TILTS]
        for equal, value, rho in wanted:
            row = pieces(scene, f"{space}-k{k}-{rho:g}", partial(polarity_row, scene, real, rho))
            rows.append({"equal": equal, "value": value, **row})
            print(f"{space}, {equal} {value:g}", flush=True)
    return {"rows": rows}


def tell(results: Results, pictures: Path) -> str:
    """Effects by space."""
    cells = []
    for row in sorted(results["rows"], key=lambda row: (row["equal"], row["value"])):
        about = (f"{row['equal']} {row['value']:g}", row["space"], f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row))
        both = [row["effect"][judge][metric] for judge in (JUDGED, SECOND) for metric in ("precision", "recall")]
        cells.append((*about, *map(signed, both)))
    heads = ("at equal", "space", "rho", "tilt", "ESS")
    judged = [f"{metric}, judged in {judge}" for judge in (JUDGED, SECOND) for metric in ("precision", "recall")]
    k = results["rows"][0]["k"]
    return (
        f"effects on `{MODEL}`, against the control, with k = {k} in all spaces.\n\n{table((*heads, *judged), cells)}"
    )


def _moved(rows: Sequence[Results], space: str, value: float, metric: str, judge: str) -> Results | None:
    """How far a space moves a metric the way that the paper says at a common rho; None where not all banks support
    it."""
    row = next(each for each in rows if (each["equal"], each["space"], each["value"]) == ("rho", space, value))
    if row["within_limits"] != 1:
        return None
    sign = 1 if (metric == "recall") == (value > 0) else -1
    return interval([sign * each for each in row["effect"][judge][metric]["values"]])


def claims(results: Results) -> list[Claim]:
    """A.5."""
    rows = results["rows"]
    common = sorted({row["value"] for row in rows if row["equal"] == "rho"})

    def parts(pairs: Sequence[tuple[str, str, str]]) -> tuple[Part, ...]:
        found = []
        for more, other, judge in pairs:
            for value in common:
                metric = "precision" if value < 0 else "recall"
                apart = less(*(_moved(rows, space, value, metric, judge) for space in (more, other)))
                found.append(Part(f"{more} less {other}, {metric} at rho {value:g}, judged in {judge}", apart, 1))
        return tuple(found)

    by = "effect on precision at rho < 0 and on recall at rho > 0"
    # Each space of features is judged in the other.
    features = [(JUDGED, "pixel", SECOND), (SECOND, "pixel", JUDGED)]
    says = "polarity moves precision and recall"
    alike = tuple(
        part._replace(expected=0, negligible=NEGLIGIBLE)
        for judge in (JUDGED, SECOND)
        for part in parts([(JUDGED, SECOND, judge)])
    )
    styles = [
        ("pixel", "style", JUDGED),
        ("pixel", "style", SECOND),
        (JUDGED, "style", SECOND),
        (SECOND, "style", JUDGED),
    ]
    both = f"{by}, within ±{NEGLIGIBLE:g}; in both spaces, since no third one judges"
    return [
        Claim("A.5", "Fig. 8", f"{says} more in a space of features than in pixels", by, parts(features)),
        Claim("A.5", "Fig. 8", "polarity does nearly the same in two spaces of features", both, alike),
        Claim("A.5", "Fig. 8", f"{says} least in the space of styles", by, parts(styles)),
    ]


if __name__ == "__main__":
    experiment("spaces", "Fig. 8, A.5", run)
