"""Writes the tables of docs/trained-families.md and its picture from the kept results.

    python benchmarks/trained/page.py

A family without results has no rows. An effect is a difference from the control, at the outermost tilt of
`report.TILTS` that all banks support; verdicts are those of the paper's page (`benchmarks/paper/claims.py`). Figures
of BigGAN-deep and StyleGAN3 are means over their classes, bank by bank.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from apart import RESULTS, named, read
from matplotlib.figure import Figure
from places import FAMILIES
from polarprior_benchmarks.pages import fill_tables
from quality import SPACES
from report import TILTS
from weights import kept, weights_file

sys.path.append(str(Path(__file__).parents[1] / "paper"))
from claims import Claim, Part
from claims import verdicts as judged
from scene import interval
from telling import at_equal, edge, gain, shown, signed

DOCS = Path(__file__).parents[2] / "docs"
Row = dict[str, Any]
Line = tuple[str, ...]


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


def cuts(found: Row, domain: str | None = None, tilt: float | None = None) -> list[Row]:
    """Rows of truncation, in the same way; where named, with the repetitions of a domain's controls at a tilt."""
    rows = [row for row in found["truncation"] if (row.get("domain"), row.get("repetitions of")) == (domain, tilt)]
    return [
        {**_mean([row for row in rows if row["setting"] == name]), "setting": name}
        for name in dict.fromkeys(row["setting"] for row in rows)
    ]


def _mean(rows: list[Row]) -> Row:
    numbers = ("rho", "tilt", "asked", "ess", "within_limits", "distinct")
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


class Asked(NamedTuple):
    """A claim about a network, the row of polarity that decides it, and the figure in the second space."""

    claim: Claim
    row: Row | None
    second: Row | None


def verdicts() -> Iterator[Line]:
    """What polarity does at the ends of its limits, by Holm's procedure over the claims about a network."""
    yield "network", "polarity in", "tilt", "ESS", "claim", "found", "verdict", "by the second space"
    asked = [each for report in reports() for each in _asked(*report)]
    for (claim, word, part, _), (_, row, second) in zip(judged([each.claim for each in asked]), asked, strict=True):
        where = ("", "") if row is None else (f"{row['tilt']:.2f}", f"{row['ess']:.0f}")
        found, beside = (
            "not in all banks" if each is None else signed(each) for each in (part.effect if part else None, second)
        )
        yield claim.section, claim.figures, *where, claim.says, found, f"**{word}**", beside


def _asked(family: str, name: str, found: Row) -> Iterator[Asked]:
    """The claims about a network."""
    spaces = SPACES[name]

    def claim(says: str, domain: str, row: Row | None, effects: list[Row | None], sign: int) -> Asked:
        part = Part(domain, effects[0], sign)
        return Asked(Claim(f"{family}, {name}", domain, says, "", (part,)), row, effects[1])

    for domain, rows in merged(found).items():
        for metric, sign in (("precision", -1), ("recall", 1)):
            row = edge(rows, sign)
            effects = [None if row is None else row["effect"][space][metric] for space in spaces]
            yield claim(f"rho {'<' if sign < 0 else '>'} 0 raises {metric}", domain, row, effects, 1)
        row = edge(rows, -1)
        cut = cuts(found, domain, row["asked"]) if row else []
        if row and cut:
            # No truncation at all is the end of its curve: the control, with the same repetitions.
            line = [*cut, {"metrics": row["control"]}]
            effects = [at_equal("precision", row, line, space) for space in spaces]
            yield claim("rho < 0 has more recall than truncation at the same precision", domain, row, effects, 1)
        effects = [gain(rows, lambda row, space=space: row["metrics"][space]["fid"]) for space in spaces]
        yield claim("some rho other than 0 lowers the Fréchet distance", domain, None, effects, -1)


def engine() -> Iterator[Line]:
    """What the engine does, with trained and with random weights."""
    heads = ("auto takes", "its largest error, nats", "passes a latent", "time beside exact", "the bank's own audit")
    yield (
        "network",
        "weights",
        "polarity in",
        *heads,
        "std of l",
        "limits, as tilts",
        "ESS at tilt -1, 1",
        "surrogate's R²",
    )
    for family, name, found in reports():
        for row in found["engine"]:
            jvps, vjps = row["passes"]
            passes = f"{jvps} + {vjps}" if vjps else f"{jvps}"
            of = f" of {row['exact_passes'][0]}" if row["auto"] != "exact" else ""
            beside = f"{row['seconds'] / row['exact_seconds']:.2f}"
            audit = row["accuracy"] + (f"; {row['deficient']} of too low rank" if row["deficient"] else "")
            cells = (row["auto"], f"{row['auto_error']:.3f}", passes + of, beside, audit)
            low, high = (limit * row["std"] for limit in row["limits"])
            ess = f"{row['ess']['-1.0']:.0f}, {row['ess']['1.0']:.0f}"
            more = (f"{row['std']:.2f}", f"{low:.2f} to {high:.2f}", ess, f"{row['surrogate_r2']:.2f}")
            yield f"{family}, {name}", row["weights"], row["domain"], *cells, *more


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
    each.__name__: each for each in (training, quality, curves, verdicts, engine, law, scripts)
}


def picture(found: list[tuple[str, str, Row]]) -> Figure:
    """Precision and recall of polarity and of truncation, a panel for each of these `reports`."""
    figure = Figure(figsize=(4 * len(found), 3.8), layout="constrained")
    for (family, name, report), panel in zip(found, figure.subplots(1, len(found), squeeze=False)[0], strict=True):
        space = SPACES[name][0]
        for domain, rows in merged(report).items():
            _line(panel, rows, space, f"polarity in {domain}", [f"{row['tilt']:.2g}" for row in rows])
        cut = cuts(report)
        if cut:
            setting = cut[0]["setting"].partition(" ")[0]
            plain = next(row for row in merged(report)["z"] if row["rho"] == 0)
            line = sorted([*cut, plain], key=lambda row: row["metrics"][space]["precision"]["mean"])
            _line(panel, line, space, setting, [row.get("setting", "").rpartition(" ")[2] for row in line])
        panel.set(xlabel="precision", ylabel="recall", title=f"{family}, {name}")
        panel.legend(fontsize=7)
    return figure


def _line(panel: Any, rows: list[Row], space: str, label: str, said: list[str]) -> None:
    """Join rows by their precision and recall, with a word beside each."""
    x, y = ([row["metrics"][space][metric]["mean"] for row in rows] for metric in ("precision", "recall"))
    panel.plot(x, y, "o-", ms=3, lw=1, label=label)
    for across, up, word in zip(x, y, said, strict=True):
        panel.annotate(word, (across, up), fontsize=6, xytext=(2, 2), textcoords="offset points")


def main() -> None:
    """Write the page."""
    fill_tables(DOCS / "trained-families.md", {name: make() for name, make in TABLES.items()})
    found = list(reports())
    if found:
        picture(found).savefig(DOCS / "trained" / "polarity.png", dpi=100)


if __name__ == "__main__":
    main()
