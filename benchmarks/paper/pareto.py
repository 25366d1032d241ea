"""Precision and recall of polarity against truncation: Fig. 1, 3, 8 and 16 to 18 of the paper.

    python benchmarks/paper/pareto.py [--quick]

On ``mnist:wgan`` with latents truncated to [-T, T], and on ``mnist:style`` with styles truncated by psi. Polarity in
pixel space, in the classifier's space, and in pixel space with contrast and brightness held. Truncation has, besides
its own row, one for each law of polarity: with the repetitions of that law at its lowest rho, and so with as many
distinct images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from claims import Claim, Part, at_the_end
from matplotlib.figure import Figure
from scene import TILTS, Real, Scene, experiment, plain_row, polarity_row
from telling import JUDGED, SECOND, Results, at_equal, edge, ess, gap, shown, signed, table, told
from tqdm import tqdm

BOUNDS = (0.5, 0.8, 1.0, 1.3, 1.6, 2.0, 2.5)
PSIS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


def run(quick: bool) -> dict[str, Any]:
    tilts = (-0.5, 0.0, 0.5) if quick else TILTS
    rows: list[dict[str, Any]] = []
    truncations: list[dict[str, Any]] = []
    halves = {}
    for model in ("mnist:wgan", "mnist:style"):
        plain = Scene(model)
        real = Real.test_digits(plain)
        halves[model] = real.halves()
        repeated: list[tuple[str, Callable[[int], np.ndarray]]] = []
        for space, hold in (("pixel", ()), ("mnist:classifier", ()), ("pixel", ("contrast", "brightness"))):
            scene = Scene(model, space)
            found = [
                polarity_row(scene, real, scene.rho_of(tilt), hold=hold) for tilt in tqdm(tilts, f"{model} {space}")
            ]
            print(*map(told, found), sep="\n", flush=True)
            rows += found
            lowest = edge(found, -1)
            if lowest is not None:
                repeated.append((_law(lowest), scene.repetitions(lowest["rho"], hold=hold)))
        for bound in (BOUNDS if model == "mnist:wgan" else PSIS)[:: 3 if quick else 1]:
            cut = Scene(model, within=bound) if model == "mnist:wgan" else Scene(model, trunc=bound)
            for law, rows_of in (("", None), *repeated):
                truncations.append({**plain_row(cut, real, rows_of), "bound": bound, "repetitions of": law})
                print(told(truncations[-1]), law, flush=True)
    return {"halves": halves, "polarity": rows, "truncation": truncations}


def _law(row: Results) -> str:
    return f"{row['space']}" + (", contrast and brightness held" if row["held"] else "")


def tell(results: Results, pictures: Path) -> str:
    """Curves of precision and recall, the rows at the limits, and truncation at equal precision."""
    models = list(dict.fromkeys(row["model"] for row in results["polarity"]))
    figure = Figure(figsize=(9, 3.8 * len(models)), layout="constrained")
    panels = figure.subplots(len(models), 2, squeeze=False)
    body, lines = "", []
    for model, axes in zip(models, panels, strict=True):
        cut = [row for row in results["truncation"] if row["model"] == model]
        for space, panel in zip((JUDGED, SECOND), axes, strict=True):
            curves = _laws(results, model)
            colours = {"": "black", **{law: f"C{index}" for index, law in enumerate(curves)}}
            for law, rows in curves.items():
                _curve(panel, rows, space, f"polarity: {law}", colours[law], "-")
            for law, colour in colours.items():
                line = [row for row in cut if row["repetitions of"] == law]
                label = f"truncation with the repetitions of: {law}" if law else "truncation"
                _curve(panel, line, space, label, colour, ":" if law else "--")
            panel.set(xlabel="precision", ylabel="recall", title=f"{model}, judged in {space}")
        for label, rows in _laws(results, model).items():
            for row in (edge(rows, -1), edge(rows, 1)):
                if row:
                    lines.append(_line(model, label, row))
    figure.legend(*panels[0, 0].get_legend_handles_labels(), fontsize=7, ncols=2, loc="outside lower center")
    figure.savefig(pictures / "pareto.png", dpi=110)
    heads = ("model", "polarity in", "rho", "tilt", "ESS", "precision", "recall", "effect on precision", "on recall")
    body += "effects at the ends of the limits of rho, judged by the classifier.\n\n" + table(heads, lines)
    halves = next(iter(results["halves"].values()))[JUDGED]
    body += (
        f"\n\nTwo halves of the test digits against each other: FID {halves['fid']:.3f}, precision "
        f"{halves['precision']:.3f}, recall {halves['recall']:.3f}.\n\n"
        + _at_equal(results, models)
        + "\n\n![Precision and recall of polarity and truncation](paper/pareto.png)\n\n*Hollow marks lie beyond the "
        "limits of rho of some bank; bars are 95% intervals over five banks. Dotted: truncation with the "
        "repetitions of a law of polarity at its lowest rho.*"
    )
    return body


def _line(model: str, label: str, row: Results) -> tuple[str, ...]:
    metrics, effect = row["metrics"][JUDGED], row["effect"][JUDGED]
    cells = (model, label, f"{row['rho']:g}", f"{row['tilt']:.2f}", ess(row))
    both = ("precision", "recall")
    return *cells, *(shown(metrics[name]) for name in both), *(signed(effect[name]) for name in both)


def _beside(results: Results, model: str, law: str, row: Results, repetitions: str) -> list[Results]:
    """Truncations that a row of polarity stands beside: all distinct, or with the repetitions of its law."""
    found = [
        each for each in results["truncation"] if (each["model"], each["repetitions of"]) == (model, repetitions)
    ]
    # No truncation at all is the end of its curve: the prior itself, with the same repetitions or none.
    whole = next(each for each in _laws(results, model)[law] if each["rho"] == 0)["metrics"]
    return [*found, {"metrics": row["control"] if repetitions else whole}]


def _at_equal(results: Results, models: Sequence[str]) -> str:
    """Recall of polarity at its lowest rho above truncation's where that has the same precision, and the other way
    round, by straight lines between the bounds."""
    lines = []
    for model in models:
        for law, rows in _laws(results, model).items():
            row = edge(rows, -1)
            for repetitions in ("", law) if row else ():
                assert row is not None
                cut = _beside(results, model, law, row, repetitions)
                name = "same repetitions" if repetitions else "all distinct"
                lines.append((model, law, name, *(gap(at_equal(each, row, cut)) for each in ("precision", "recall"))))
    heads = ("recall above truncation's at equal precision", "precision above truncation's at equal recall")
    return table(("model", "polarity in", "truncation", *heads), lines)


def claims(results: Results) -> list[Claim]:
    """Fig. 1, 3 and 8, top."""
    models = list(dict.fromkeys(row["model"] for row in results["polarity"]))
    laws = [(m, law, rows) for m in models for law, rows in _laws(results, m).items() if not rows[0]["held"]]

    def ends(metric: str, sign: int) -> tuple[Part, ...]:
        found = []
        for model, law, rows in laws:
            for judge in (each for each in (JUDGED, SECOND) if each != law):  # never the space of the volume
                where = f"{model}, {law}, judged in {judge}"
                found.append(at_the_end(rows, sign, where, lambda row, judge=judge: row["effect"][judge][metric], 1))
        return tuple(found)

    where = "against the control, at the end of the limits"
    return [
        Claim("4.1", "Fig. 1, 3, 8", "rho < 0 raises precision", f"precision {where}", ends("precision", -1)),
        Claim("4.1", "Fig. 1, 3, 8", "rho > 0 raises recall", f"recall {where}", ends("recall", 1)),
    ]


def _laws(results: Results, model: str) -> dict[str, list[Results]]:
    laws: dict[str, list[Results]] = {}
    for row in results["polarity"]:
        if row["model"] == model:
            laws.setdefault(_law(row), []).append(row)
    return laws


def _curve(panel: Any, rows: Sequence[Results], space: str, label: str, colour: str, style: str) -> None:
    """Precision and recall of rows, joined; the outer rho and all bounds are named."""
    x, y = ([row["metrics"][space][name] for row in rows] for name in ("precision", "recall"))
    panel.plot([each["mean"] for each in x], [each["mean"] for each in y], style, label=label, lw=1, color=colour)
    for row, across, up in zip(rows, x, y, strict=True):
        fill = colour if row.get("within_limits", 1) == 1 else "white"
        bars = {"yerr": up["half"], "xerr": across["half"], "lw": 0.6, "color": colour}
        panel.errorbar(across["mean"], up["mean"], fmt="o", ms=3, mfc=fill, **bars)
        said = f"{row['bound']:g}" if style == "--" else f"{row['rho']:g}" if abs(row.get("tilt", 0)) > 0.7 else ""
        place = {"xytext": (2, 2), "textcoords": "offset points", "color": colour}
        panel.annotate(said, (across["mean"], up["mean"]), fontsize=5, **place)


if __name__ == "__main__":
    experiment("pareto", "Fig. 1, 3, 8, 16-18", run)
