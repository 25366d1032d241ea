"""Writes docs/few-step.md and its picture from ``results/few_step.json``: whether polarity helps a one-step model.

    python benchmarks/few_step_page.py

A claim is decided by the sets of seeds, in pairs: Student's t of the differences, and of all claims' p the ones that
Holm's procedure rejects. The picture needs what `few_step.py` has kept; without it, it is left as it is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch
from few_step import CLASSES, JUDGES, RESULTS, folder, generator
from matplotlib.figure import Figure
from polarprior.images.pictures import to_uint8
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent / "paper"))
from claims import Claim, Part, Verdict, verdicts
from scene import minus
from telling import shown, signed, table

DOCS = Path(__file__).parents[1] / "docs"
SHOWN = ("prior", "extremes low", "extremes high", "bank +1", "contrastive 0.03", "start x 1.2", "norm x 0.8")


class Comparison(NamedTuple):
    """What is claimed: of two ways one has the higher figure."""

    says: str
    metric: str
    higher: str
    lower: str


def _against(way: str, other: str, says: str, *metrics: str) -> list[Comparison]:
    """A way has higher figures than another."""
    return [Comparison(f"{says}: {metric}", metric, way, other) for metric in metrics]


DIVERSE, TYPICAL = ("recall", "coverage", "vendi"), ("precision", "confidence")
COMPARISONS: list[Comparison] = [
    *_against("pick +0.5", "prior", "`pick --tilt=0.5` shows more variety than the model's own seeds", *DIVERSE),
    *_against(
        "extremes high", "prior", "`pick --best --tilt=1` shows more variety than the model's own seeds", *DIVERSE
    ),
    *_against("bank +1", "control of bank +1", "a bank at tilt 1 shows more variety than its control", *DIVERSE),
    *_against("pick -0.5", "prior", "`pick --tilt=-0.5` shows better pictures than the model's own seeds", *TYPICAL),
    *_against(
        "extremes low", "prior", "`pick --best --tilt=-1` shows better pictures than the model's own seeds", *TYPICAL
    ),
    *_against("bank -1", "control of bank -1", "a bank at tilt -1 shows better pictures than its control", *TYPICAL),
    *_against(
        "extremes high",
        "best, apart",
        "`--best --tilt=1` shows more variety than the pictures furthest apart of as many passes",
        *DIVERSE,
    ),
    *_against(
        "extremes high", "contrastive 0.03", "`--best --tilt=1` shows more variety than contrastive noise", *DIVERSE
    ),
    *_against(
        "extremes high",
        "start x 1.2",
        "`--best --tilt=1` shows more variety than starts of 1.2 times the spread",
        *DIVERSE,
    ),
    *_against(
        "extremes low",
        "best, surest",
        "`--best --tilt=-1` shows better pictures than the surest of as many passes",
        *TYPICAL,
    ),
    *_against(
        "extremes low",
        "norm x 0.9",
        "`--best --tilt=-1` shows better pictures than starts of 0.9 times the norm",
        *TYPICAL,
    ),
]


def decided(rows: dict[str, Any]) -> list[tuple[Verdict, dict[str, Any] | None]]:
    """Verdicts, and the effects in the second judge where it has that metric."""
    found, second = [], []
    for each in COMPARISONS:
        first, other = (
            minus(*(rows[way]["metrics"][space][each.metric] for way in (each.higher, each.lower)))
            if each.metric in rows[each.higher]["metrics"][space]
            else None
            for space in JUDGES
        )
        found.append(Claim("", "", each.says, each.metric, (Part(each.metric, first, 1),)))
        second.append(other)
    return list(zip(verdicts(found), second, strict=True))


def main() -> None:
    """Write the page."""
    results = json.loads(RESULTS.read_text())
    rows = {row["way"]: row for row in results["rows"]}
    claims = []
    for (claim, word, part, _), second in decided(rows):
        assert part is not None
        assert part.effect is not None
        cells = (signed(part.effect), "" if second is None else signed(second), f"{part.p():.2g}")
        claims.append((claim.says, *cells, word))
    first = [*DIVERSE, *TYPICAL, "fid", "classes"]
    figures = [
        (way, f"{row['passes']:.0f}", *(shown(row["metrics"][JUDGES[0]][metric]) for metric in first))
        for way, row in rows.items()
    ]
    second = [name for name in first if name in rows["prior"]["metrics"][JUDGES[1]]]
    others = [(way, *(shown(row["metrics"][JUDGES[1]][metric]) for metric in second)) for way, row in rows.items()]
    for space, names, lines in ((JUDGES[0], first, figures), (JUDGES[1], second, others)):
        gap = [""] if space == JUDGES[0] else []
        lines.append(("*real digits*", *gap, *(f"{results['halves'][space][name]:.3f}" for name in names)))
    text = (DOCS / "few-step.md").read_text()
    head, mark, rest = text.partition("<!-- verdicts -->")
    assert mark, "docs/few-step.md has no place for the verdicts"
    parts = [
        table(("claim", "difference", "by the second judge", "p", "verdict"), claims),
        f"\n### The figures\n\nJudged by `{JUDGES[0]}`:\n\n" + table(("way", "passes a picture", *first), figures),
        f"\nJudged by `{JUDGES[1]}`:\n\n" + table(("way", *second), others),
    ]
    end = rest.partition("<!-- end -->")[2]
    (DOCS / "few-step.md").write_text(f"{head}{mark}\n" + "\n".join(parts) + f"\n<!-- end -->{end}")
    if folder().exists():
        _picture().savefig(DOCS / "few-step.png", dpi=100)


def _picture() -> Figure:
    """Eight pictures of three classes by some of the ways, of the first set."""
    files = {}
    for kept in sorted(folder().glob("*-0.json")):
        for way, about in json.loads(kept.read_text())["names"].items():
            files[way] = folder() / about["file"]
    classes = (2, 5, 8)
    figure = Figure(figsize=(12, 0.62 * len(SHOWN)), layout="constrained")
    panels = figure.subplots(len(SHOWN), 1)
    for way, panel in zip(SHOWN, panels, strict=True):
        z = load_file(files[way])["z"]
        assert len(z) == CLASSES
        strips = []
        for label in classes:
            with torch.no_grad():
                images = generator().synthesize(z[label], torch.full((len(z[label]),), label))
            strips.append(torch.from_numpy(to_uint8(images)[..., 0]))
        strip = torch.cat([each for part in strips for each in part], dim=1)
        panel.imshow(strip, cmap="gray", vmin=0, vmax=255)
        panel.set_ylabel(way, rotation=0, ha="right", va="center", fontsize=8)
        panel.set(xticks=[], yticks=[])
    return figure


if __name__ == "__main__":
    main()
