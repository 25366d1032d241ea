"""Writes the tables of docs/trained-families.md and its picture from the kept results.

    python benchmarks/trained/page.py

A family without results has no rows. An effect is a difference from the control; a verdict is of its 95% interval
over the banks, at the outermost tilt of `report.TILTS` that all banks support. BigGAN-deep's figures are means over
its classes, bank by bank.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from apart import RESULTS, named, read
from matplotlib.figure import Figure
from places import FAMILIES
from polarprior_benchmarks.pages import fill_tables
from quality import SPACES
from report import TILTS
from weights import kept, weights_file

sys.path.append(str(Path(__file__).parents[1] / "paper"))
from scene import interval
from telling import at_equal_precision, edge, shown, signed, verdict

DOCS = Path(__file__).parents[2] / "docs"
Row = dict[str, Any]
Line = tuple[str, ...]
CLAIMS = (("precision", -1, 1), ("recall", 1, 1), ("fid", -1, -1), ("fid", 1, -1))
"""A metric, the sign of rho, and the sign of the effect that the paper claims or hopes for."""


def networks() -> list[tuple[str, str]]:
    """Families and sets whose weights are kept, in the order of the families."""
    found = [(family, name) for family, name in named([])]
    return sorted(found, key=lambda each: (each[1], FAMILIES.index(each[0])))


def reports() -> Iterator[tuple[str, str, Row]]:
    """Networks with what `report.py` has found of them."""
    for family, name in networks():
        found = read(RESULTS / f"{family}-{name}.json")
        if found:
            yield family, name, found


def training() -> Iterator[Line]:
    """What was trained."""
    yield "network", "repository", "commit", "CPU hours", "parameters of the generator", "kept file, MB"
    for family, name in networks():
        about, tensors = kept(family, name)
        size = weights_file(family, name).stat().st_size / 1e6
        numbers = sum(each.numel() for key, each in tensors.items() if key.startswith("G."))
        hours, commit = f"{about['cpu_hours']:.1f}", about["commit"][:7]
        yield f"{family}, {name}", about["repository"], commit, hours, f"{numbers:,}", f"{size:.1f}"


def quality() -> Iterator[Line]:
    """Whether they are any good."""
    metrics = ("fid", "precision", "recall")
    yield (
        "network",
        "of",
        *(f"{each}, {space}" for space in ("first space", "second space") for each in metrics),
        ("two classifiers agree"),
    )
    found = read(RESULTS / "quality.json")
    rows = {f"{family}-{name}": (name, found.get(f"{family}-{name}", {})) for family, name in networks()}
    for name in SPACES:
        for mark, figures in found.get(name, {}).items():
            yield mark, name, *_figures(figures, name)
    for network, (name, kinds) in rows.items():
        for kind, figures in kinds.items():
            yield f"{network.partition('-')[0]}, {kind}", name, *_figures(figures, name)


def _figures(figures: Row, name: str) -> Line:
    cells = []
    for space in SPACES[name]:
        each = figures[space]
        cells += [f"{each['fid']:.3g}", f"{each['precision']:.3f}", f"{each['recall']:.3f}"]
    return *cells, f"{figures['agreement']:.3f}" if "agreement" in figures else ""


def merged(found: Row) -> dict[str, list[Row]]:
    """Rows of polarity by domain; of a conditional model their means over classes, bank by bank."""
    domains: dict[str, list[Row]] = {}
    for domain in dict.fromkeys(row["domain"] for row in found["polarity"]):
        for tilt in TILTS:
            rows = [row for row in found["polarity"] if (row["domain"], row["asked"]) == (domain, tilt)]
            domains.setdefault(domain, []).append(_mean(rows))
    return domains


def cuts(found: Row) -> list[Row]:
    """Rows of truncation, in the same way."""
    names = [row["setting"] for row in found["truncation"]]
    return [
        {**_mean([row for row in found["truncation"] if row["setting"] == name]), "setting": name}
        for name in dict.fromkeys(names)
    ]


def _mean(rows: list[Row]) -> Row:
    numbers = ("rho", "tilt", "ess", "within_limits", "distinct")
    found = {name: float(np.mean([row[name] for row in rows])) for name in numbers if name in rows[0]}
    for part in ("metrics", "control", "effect"):
        if part in rows[0]:
            found[part] = {
                space: {
                    metric: interval(np.mean([row[part][space][metric]["values"] for row in rows], 0).tolist())
                    for metric in metrics
                }
                for space, metrics in rows[0][part].items()
            }
    return found


def curves() -> Iterator[Line]:
    """All rows of polarity and truncation."""
    heads = ("rho", "tilt", "ESS", "fid", "precision", "recall", "second space: fid", "precision", "recall")
    yield "network", "polarity in", *heads
    for family, name, found in reports():
        for domain, rows in merged(found).items():
            for row in rows:
                trusted = "" if row["within_limits"] == 1 else " (beyond the limits)"
                where = (f"{row['rho']:.3g}", f"{row['tilt']:.2f}{trusted}", f"{row['ess']:.0f}")
                yield f"{family}, {name}", domain, *where, *_metrics(row, name)
        for row in cuts(found):
            yield f"{family}, {name}", row["setting"], "", "", "", *_metrics(row, name)


def _metrics(row: Row, name: str) -> Line:
    both = [row["metrics"][space] for space in SPACES[name]]
    return tuple(shown(each[metric]) for each in both for metric in ("fid", "precision", "recall"))


def verdicts() -> Iterator[Line]:
    """What polarity does at the ends of its limits."""
    yield "network", "polarity in", "tilt", "ESS", "effect", "against its control", "verdict", "by the second space"
    for family, name, found in reports():
        for domain, rows in merged(found).items():
            for metric, sign, expected in CLAIMS:
                row = edge(rows, sign)
                if row is None:
                    yield f"{family}, {name}", domain, "", "", _effect(metric, sign, expected), "", "undecided", ""
                    continue
                first, second = (row["effect"][space][metric] for space in SPACES[name])
                cells = (f"{row['tilt']:.2f}", f"{row['ess']:.0f}", _effect(metric, sign, expected), signed(first))
                said = f"{signed(second)}: {verdict(second, expected)}"
                yield f"{family}, {name}", domain, *cells, verdict(first, expected), said


def _effect(metric: str, sign: int, expected: int) -> str:
    return f"rho {'<' if sign < 0 else '>'} 0 {'raises' if expected > 0 else 'lowers'} {metric}"


def truncation() -> Iterator[Line]:
    """Recall beside truncation's at the same precision."""
    yield "network", "polarity in", "recall above truncation's at equal precision", "verdict"
    for family, name, found in reports():
        cut = cuts(found)
        for domain, rows in merged(found).items():
            row, plain = edge(rows, -1), next(each for each in rows if each["rho"] == 0)
            if cut and row:
                yield f"{family}, {name}", domain, *at_equal_precision(row, [*cut, plain], SPACES[name][0])


def engine() -> Iterator[Line]:
    """What the engine does, with trained and with random weights."""
    heads = ("estimator, its audit", "passes a latent", "std of l", "limits, as tilts", "ESS at tilt -1, 1")
    yield "network", "weights", "polarity in", *heads, "surrogate's R²"
    for family, name, found in reports():
        for row in found["engine"]:
            if row["class"]:
                continue
            low, high = (limit * row["std"] for limit in row["limits"])
            accuracy = row["accuracy"] + (f"; {row['deficient']} of too low rank" if row["deficient"] else "")
            ess = [row["ess"][tilt] for tilt in ("-1.0", "1.0")]
            numbers = (f"{np.mean(row['passes']):.1f}", f"{row['std']:.2f}", f"{low:.2f} to {high:.2f}")
            cells = (*numbers, f"{ess[0]:.0f}, {ess[1]:.0f}", f"{row['surrogate_r2']:.2f}")
            yield f"{family}, {name}", row["weights"], row["domain"], accuracy, *cells


def law() -> Iterator[Line]:
    """How the log-volume goes with what is seen."""
    yield "network", "polarity in", "class", "std of l", "correlation with contrast", "with brightness"
    for family, name, found in reports():
        for row in found["law"]:
            label = "" if row["class"] is None else str(row["class"])
            cells = (shown(row["std"], 2), signed(row["contrast"], 2), signed(row["brightness"], 2))
            yield f"{family}, {name}", row["domain"], label, *cells


def scripts() -> Iterator[Line]:
    """What the stock scripts draw."""
    heads = ("pictures", "the same bytes without polarity", "changed by polarity", "rows drawn")
    yield "network", *heads, "largest distance to a row, of 255"
    found = read(RESULTS / "stock_scripts.json")
    for family, name in networks():
        each = found.get(f"{family}-{name}")
        if each:
            counts = (str(each["pictures"]), "yes" if each["the same without polarity"] else "no")
            more = (str(each["changed"]), str(each["rows drawn"]), f"{each['largest distance to a row']:g}")
            yield f"{family}, {name}", *counts, *more


TABLES: dict[str, Callable[[], Iterator[Line]]] = {
    each.__name__: each for each in (training, quality, curves, verdicts, truncation, engine, law, scripts)
}


def picture(found: list[tuple[str, str, Row]]) -> Figure:
    """Precision and recall of polarity and of truncation, a panel for each of these `reports`."""
    figure = Figure(figsize=(4 * len(found), 3.8), layout="constrained")
    for (family, name, report), panel in zip(found, figure.subplots(1, len(found), squeeze=False)[0], strict=True):
        lines = [(f"polarity in {domain}", rows) for domain, rows in merged(report).items()]
        if report["truncation"]:
            plain = next(each for each in lines[0][1] if each["rho"] == 0)
            lines.append((report["truncation"][0]["setting"].partition(" ")[0], [*cuts(report), plain]))
        for label, rows in lines:
            both = [[row["metrics"][SPACES[name][0]][metric] for row in rows] for metric in ("precision", "recall")]
            x, y = ([each["mean"] for each in axis] for axis in both)
            panel.plot(x, y, "o-", ms=3, lw=1, label=label)
            for row, across, up in zip(rows, x, y, strict=True):
                panel.annotate(row.get("setting") or f"{row['tilt']:.2g}", (across, up), fontsize=6)
        panel.set(xlabel="precision", ylabel="recall", title=f"{family}, {name}")
        panel.legend(fontsize=7)
    return figure


def main() -> None:
    """Write the page."""
    fill_tables(DOCS / "trained-families.md", {name: make() for name, make in TABLES.items()})
    found = list(reports())
    if found:
        picture(found).savefig(DOCS / "trained" / "polarity.png", dpi=100)


if __name__ == "__main__":
    main()
