"""Writes docs/paper.md and its pictures from ``results/``: the paper's figures and tables beside what came out here.

    python benchmarks/paper/page.py [--out docs]

Verdicts are computed: *agrees* or *disagrees* where a 95% interval over the banks lies on one side of 0, *undecided*
where it doesn't.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

RESULTS = Path(__file__).parent / "results"
JUDGED = "mnist:classifier"
SECOND = "mnist:encoder"

Results = dict[str, Any]


class Section(NamedTuple):
    """A part of the page.

    Attributes:
        title: what it is about.
        figures: of the paper.
        claim: the paper's, in a sentence.
        experiment: the script and its results; None where nothing here can stand in.
        told: results and the folder for pictures to markdown.
        official: what the paper's own models would need: the command.
    """

    title: str
    figures: str
    claim: str
    experiment: str | None
    told: Callable[[Results, Path], str] | None
    official: str


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "docs")
    out = parser.parse_args().out
    pictures = out / "paper"
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [(Path(__file__).parent / "introduction.md").read_text()]
    for section in SECTIONS:
        parts.append(f"## {section.title}: {section.figures}\n\n*The paper*: {section.claim}\n")
        path = RESULTS / f"{section.experiment}.json"
        if section.told is not None and path.exists():
            results = json.loads(path.read_text())
            script = f"`python benchmarks/paper/{section.experiment}.py`, {results['cpu_minutes']:g} CPU minutes"
            parts.append(f"*Here* ({script}): {section.told(results, pictures)}\n")
        elif section.experiment is not None:
            parts.append(f"*Here*: not run yet; `python benchmarks/paper/{section.experiment}.py` does.\n")
        parts.append(f"*With the paper's models* (official weights, a GPU; not run here): {section.official}\n")
    (out / "paper.md").write_text("\n".join(parts).rstrip() + "\n")
    print(f"{out / 'paper.md'}: {len(SECTIONS)} parts")


def verdict(effect: dict[str, Any], expected: int) -> str:
    """Of an interval against the sign that the paper's claim has."""
    low, high = effect["mean"] - effect["half"], effect["mean"] + effect["half"]
    if low <= 0 <= high:
        return "undecided"
    return "agrees" if (low > 0) == (expected > 0) else "disagrees"


def shown(interval: dict[str, Any], digits: int = 3) -> str:
    """Mean ± half of the 95% interval."""
    return f"{interval['mean']:.{digits}f} ± {interval['half']:.{digits}f}"


def signed(interval: dict[str, Any], digits: int = 3) -> str:
    """The same with its sign."""
    return f"{interval['mean']:+.{digits}f} ± {interval['half']:.{digits}f}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines)


def edge(rows: Sequence[Results], sign: int) -> Results | None:
    """Of rows at rho, the one of the largest |rho| on a side that all banks support."""
    side = [row for row in rows if row["rho"] * sign > 0 and row["within_limits"] == 1]
    return max(side, key=lambda row: abs(row["rho"]), default=None)


def pareto(results: Results, pictures: Path) -> str:
    """Curves of precision and recall, the rows at the limits, and truncation at equal precision."""
    models = list(dict.fromkeys(row["model"] for row in results["polarity"]))
    figure = Figure(figsize=(9, 3.8 * len(models)), layout="constrained")
    panels = figure.subplots(len(models), 2, squeeze=False)
    body, lines = "", []
    for model, axes in zip(models, panels, strict=True):
        cut = [row for row in results["truncation"] if row["model"] == model]
        for space, panel in zip((JUDGED, SECOND), axes, strict=True):
            curves = _laws(results, model)
            for label, rows in curves.items():
                _curve(panel, rows, space, label, [row["rho"] for row in rows])
            _curve(panel, cut[::2], space, "truncation", [row["bound"] for row in cut[::2]], "--")
            _curve(panel, cut[1::2], space, "truncation, same repetitions", [row["bound"] for row in cut[1::2]], ":")
            panel.set(xlabel="precision", ylabel="recall", title=f"{model}, judged in {space}")
            panel.legend(fontsize=6)
        for label, rows in _laws(results, model).items():
            for sign, name in ((-1, "lowest"), (1, "highest")):
                row = edge(rows, sign)
                if row:
                    lines.append(_pareto_line(model, label, name, row, sign))
    figure.savefig(pictures / "pareto.png", dpi=110)
    heads = ("model", "polarity in", "rho", "tilt", "ESS", *("precision", "recall"), "against its control", "verdict")
    body += "effects at the ends of the limits of rho, judged by the classifier.\n\n" + table(heads, lines)
    halves = next(iter(results["halves"].values()))[JUDGED]
    body += (
        f"\n\nTwo halves of the test digits against each other: FID {halves['fid']:.3f}, precision "
        f"{halves['precision']:.3f}, recall {halves['recall']:.3f}.\n\n"
        + _at_equal_precision(results, models)
        + "\n\n![Precision and recall of polarity and truncation](paper/pareto.png)\n\n*Hollow marks lie beyond the "
        "limits of rho of some bank; bars are 95% intervals over five banks. Dotted: truncation with the "
        "repetitions of a "
        "polarity of tilt -1.*"
    )
    return body


def _pareto_line(model: str, label: str, name: str, row: Results, sign: int) -> tuple[str, ...]:
    metrics, effect = row["metrics"][JUDGED], row["effect"][JUDGED]
    said = f"precision {signed(effect['precision'])}, recall {signed(effect['recall'])}"
    sides = f"precision {verdict(effect['precision'], -sign)}, recall {verdict(effect['recall'], sign)}"
    cells = (model, label, f"{row['rho']:g}", f"{row['tilt']:.2f}", f"{row['ess']:.0f}")
    return *cells, shown(metrics["precision"]), shown(metrics["recall"]), said, sides


def _at_equal_precision(results: Results, models: Sequence[str]) -> str:
    """Recall of truncation where it has the precision of polarity at its lower limit, by straight lines between."""
    lines = []
    for model in models:
        for repeated, name in ((0, "all distinct"), (1, "same repetitions")):
            cut = sorted(
                [row for row in results["truncation"] if row["model"] == model][repeated::2],
                key=lambda row: row["metrics"][JUDGED]["precision"]["mean"],
            )
            for label, rows in _laws(results, model).items():
                row = edge(rows, -1)
                if row is None:
                    continue
                gaps = []
                for bank in range(len(row["metrics"][JUDGED]["precision"]["values"])):
                    precision, recall = (
                        row["metrics"][JUDGED][each]["values"][bank] for each in ("precision", "recall")
                    )
                    points = [
                        tuple(each["metrics"][JUDGED][m]["values"][bank] for m in ("precision", "recall"))
                        for each in cut
                    ]
                    between = _interpolated(sorted(points), precision)
                    if between is not None:
                        gaps.append(recall - between)
                if len(gaps) > 1:
                    from scene import interval

                    gap = interval(gaps)
                    lines.append((model, label, name, signed(gap), verdict(gap, 1)))
    heads = ("model", "polarity in", "truncation", "recall above truncation's at equal precision", "verdict")
    return table(heads, lines)


def _interpolated(points: Sequence[tuple[float, ...]], x: float) -> float | None:
    for (left, low), (right, high) in pairwise(points):
        if left <= x <= right and right > left:
            return low + (high - low) * (x - left) / (right - left)
    return None


def _laws(results: Results, model: str) -> dict[str, list[Results]]:
    laws: dict[str, list[Results]] = {}
    for row in results["polarity"]:
        if row["model"] == model:
            label = f"{row['space']}" + (", contrast and brightness held" if row["held"] else "")
            laws.setdefault(label, []).append(row)
    return laws


def _curve(
    panel: Any, rows: Sequence[Results], space: str, label: str, said: Sequence[float], style: str = "-"
) -> None:
    x = [row["metrics"][space]["precision"] for row in rows]
    y = [row["metrics"][space]["recall"] for row in rows]
    (line,) = panel.plot([each["mean"] for each in x], [each["mean"] for each in y], style, label=label, lw=1)
    for row, across, up, text in zip(rows, x, y, said, strict=True):
        whole = row.get("within_limits", 1) == 1
        fill = line.get_color() if whole else "white"
        panel.errorbar(
            across["mean"],
            up["mean"],
            up["half"],
            across["half"],
            fmt="o",
            ms=3,
            color=line.get_color(),
            mfc=fill,
            lw=0.6,
        )
        panel.annotate(
            f"{text:g}", (across["mean"], up["mean"]), fontsize=5, xytext=(2, 2), textcoords="offset points"
        )


def bank_size(results: Results, pictures: Path) -> str:
    """A table, and curves against N and k."""
    names = ("lowest fid", "highest precision", "highest recall")
    rows = results["rows"]
    figure = Figure(figsize=(9, 5), layout="constrained")
    panels = figure.subplots(2, 3)
    full = max(row["n"] for row in rows)
    rank = max(row["k"] for row in rows)
    for line, (of, fixed) in zip(panels, (("n", "k"), ("k", "n")), strict=True):
        picked = sorted(
            [row for row in rows if row[fixed] == (rank if fixed == "k" else full)], key=lambda row: row[of]
        )
        for panel, name in zip(line, names, strict=True):
            for law, style in (("polarity", "-o"), ("control", ":s")):
                values = [row[f"{law} {name}"] for row in picked]
                x = [row[of] for row in picked]
                panel.errorbar(
                    x, [v["mean"] for v in values], [v["half"] for v in values], fmt=style, ms=3, label=law
                )
            panel.set(xlabel={"n": "N", "k": "k"}[of], title=name)
            panel.legend(fontsize=6)
    figure.savefig(pictures / "bank_size.png", dpi=110)
    cells = [
        (
            f"{row['n']}",
            f"{row['k']}",
            f"[{row['lower']['mean']:.3f}, {row['upper']['mean']:.3f}]",
            *tuple(shown(row[f"polarity {name}"]) for name in names),
            *tuple(shown(row[f"control {name}"]) for name in names),
        )
        for row in rows
    ]
    heads = ("N", "k", "limits of rho", *names, *(f"control's {name}" for name in names))
    smallest = min((row for row in rows if row["k"] == rank), key=lambda row: row["n"])
    largest = next(row for row in rows if row["k"] == rank and row["n"] == full)
    gain = {name: largest[f"polarity {name}"]["mean"] - smallest[f"polarity {name}"]["mean"] for name in names}
    said = (
        f"from N = {smallest['n']} to {largest['n']} the best FID moves by {gain['lowest fid']:+.3f}, the highest "
        f"precision by {gain['highest precision']:+.3f}, the highest recall by {gain['highest recall']:+.3f}; a "
        f"larger bank also has "
        "more distinct images and wider limits, which the control's columns show."
    )
    return f"{said}\n\n{table(heads, cells)}\n\n![Best figures against N and k](paper/bank_size.png)"


def neighbours(results: Results, pictures: Path) -> str:
    """Distances to training images, and the share of ones."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    panels = figure.subplots(1, 2)
    models = list(dict.fromkeys(row["model"] for row in results["rows"]))
    cells = []
    for model, panel in zip(models, panels, strict=True):
        for row in results["rows"]:
            if row["model"] != model:
                continue
            total = sum(row["histogram"])
            places = [12 / len(row["histogram"]) * (i + 0.5) for i in range(len(row["histogram"]))]
            law = "" if row["within_limits"] == 1 or row["rho"] == 0 else " (the bank's extremes, not the law)"
            panel.plot(places, [each / total for each in row["histogram"]], label=f"rho {row['rho']:g}{law}", lw=1)
            side = "" if row["rho"] == 0 else verdict(row["effect"], 1 if row["rho"] > 0 else -1)
            where = "yes" if row["within_limits"] == 1 else "no"
            cells.append(
                (
                    model,
                    f"{row['rho']:g}",
                    f"{row['tilt']:.2f}",
                    f"{row['ess']:.0f}",
                    where,
                    shown(row["distance"]),
                    signed(row["effect"]),
                    shown(row["ones"], 2),
                    side,
                )
            )
        panel.set(title=model, xlabel="distance to 3 nearest training images")
        panel.legend(fontsize=6)
    figure.savefig(pictures / "neighbours.png", dpi=110)
    heads = (
        "model",
        "rho",
        "tilt",
        "ESS",
        "within limits",
        "distance",
        "against its control",
        "ones",
        "nearer at the modes",
    )
    return (
        "modes are nearer to training images than other draws for the WGAN as well as for the VAE, and ones take "
        "over, "
        f"where the verdict says so.\n\n{table(heads, cells)}\n\n"
        "![Distances to the nearest training images](paper/neighbours.png)"
    )


def path_length(results: Results, pictures: Path) -> str:
    """Path lengths at each rho and each truncation."""
    cells = [
        (
            f"{row['rho']:g}",
            f"{row['tilt']:.2f}",
            f"{row['ess']:.0f}",
            "yes" if row["within_limits"] == 1 else "no",
            shown(row["path"], 0),
            signed(row["path effect"], 0),
            shown(row["shift"], 1),
            signed(row["shift effect"], 1),
            "" if row["rho"] == 0 else verdict(row["path effect"], 1 if row["rho"] > 0 else -1),
        )
        for row in results["polarity"]
    ]
    heads = (
        "rho",
        "tilt",
        "ESS",
        "within limits",
        "path",
        "against its control",
        "shift",
        "against its control",
        "verdict",
    )
    cut = [(f"{row['bound']:g}", shown(row["path"], 0), shown(row["shift"], 1)) for row in results["truncation"]]
    return (
        "squared lengths in the classifier's space. The verdict is whether paths are shorter at rho < 0 and "
        "longer at "
        f"rho > 0.\n\n{table(heads, cells)}\n\nLatents truncated instead:\n\n"
        f"{table(('bound', 'path', 'shift'), cut)}"
    )


def toy(results: Results, pictures: Path) -> str:
    """Points on the plane."""
    sets = list(dict.fromkeys(row["set"] for row in results["rows"]))
    rhos = list(dict.fromkeys(row["rho"] for row in results["rows"]))
    figure = Figure(figsize=(1.6 * len(rhos), 1.75 * len(sets)), layout="constrained")
    panels = figure.subplots(len(sets), len(rhos), squeeze=False)
    cells = []
    for name, line in zip(sets, panels, strict=True):
        rows = [row for row in results["rows"] if row["set"] == name]
        for row, panel in zip(rows, line, strict=True):
            x, y = zip(*row["points"], strict=True)
            panel.plot(x, y, ".", ms=1, color="C0" if row["within_limits"] == 1 or row["rho"] == 0 else "gray")
            panel.set(xlim=(-1.8, 1.8), ylim=(-1.8, 1.8), xticks=[], yticks=[])
            panel.set_title(f"rho {row['rho']:g}, ESS {row['ess']:.0f}", fontsize=7)
        cells.append((name, *(shown(row["near_data"], 2) for row in rows)))
    figure.savefig(pictures / "toy.png", dpi=110)
    heads = ("share of draws within 0.1 of the data", *(f"rho {rho:g}" for rho in rhos))
    return (
        "polarity moves samples along what the generator covers, as in the paper: below 0 to where it contracts (the "
        "data), above 0 to the bridges between. Grey pictures lie beyond the limits of rho: they show a few "
        "latents.\n\n"
        f"{table(heads, cells)}\n\n![Planar WGANs at seven rho](paper/toy.png)"
    )


def spectra(results: Results, pictures: Path) -> str:
    """The fit."""
    cells = [
        (
            row["model"],
            f"{row['k']}",
            f"{row['ratio']:.3f}",
            f"{row['distance']:.3f}",
            f"{row['distance_of_random_matrices']:.3f}",
        )
        for row in results["rows"]
    ]
    heads = ("model", "k", "best ratio", "distance of the Jacobians", "of random matrices of that ratio")
    worst = min(row["distance"] / row["distance_of_random_matrices"] for row in results["rows"])
    return (
        f"disagrees: the squared singular values are {worst:.0f} times as far from the best Marchenko-Pastur law "
        f"as those of "
        f"random matrices are (Kolmogorov-Smirnov).\n\n{table(heads, cells)}"
    )


SECTIONS = (
    Section(
        "Planar generators",
        "Fig. 11",
        "rho < 0 concentrates samples on the modes of a WGAN's distribution, rho > 0 on its anti-modes.",
        "toy",
        toy,
        "none needed.",
    ),
    Section(
        "Precision and recall, polarity against truncation",
        "Fig. 1, 3, 8, 16-18",
        "rho < 0 raises precision, rho > 0 recall, and at any precision polarity has a higher recall than "
        "truncation.",
        "pareto",
        pareto,
        "`polarprior sweep stylegan3:ffhq.pkl --bank ffhq.safetensors --reference ffhq.zip --metric-space "
        "perceptual:vgg16 "
        "--samples 50000 --truncations 0.5,0.6,0.7,0.8,0.9 --out sweep`",
    ),
    Section(
        "How many latents, how many singular values",
        "Fig. 2, 9, Tab. 3, 4",
        "the best FID, precision and recall improve with N and settle near 200,000 to 300,000; k near 40 is best.",
        "bank_size",
        bank_size,
        "`polarprior bank build stylegan2:ffhq.pkl -n 500000 -k 100 --out ffhq`, then `polarprior tune` on parts "
        "of it.",
    ),
    Section(
        "Modes and their nearest training images",
        "Fig. 5, 6, 12, 15",
        "modes of a VAE lie near training images and show mostly ones; a GAN's modes need not.",
        "neighbours",
        neighbours,
        "`polarprior modes stylegan3:afhqv2.pkl --bank BANK --reference afhqv2.zip --out modes`",
    ),
    Section(
        "Path lengths near modes",
        "Fig. 7, C.5",
        "perceptual paths are shorter near modes (rho < 0) and longer near anti-modes.",
        "path_length",
        path_length,
        "`polarprior.measure.metrics.path_length.path_lengths` with `perceptual:vgg16` and draws of "
        "`stylegan2:ffhq.pkl`.",
    ),
    Section(
        "Singular values",
        "Fig. 13",
        "they follow a Marchenko-Pastur law.",
        "spectra",
        spectra,
        "`polarprior bank build stylegan2:ffhq.pkl -n 10000 -k 100 --out ffhq.safetensors`",
    ),
)

if __name__ == "__main__":
    main()
