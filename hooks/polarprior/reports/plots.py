"""Curves of a sweep as SVG; needs matplotlib: ``pip install "polarprior[report]"``."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from polarprior.errors import PIP, PolarPriorError
from polarprior.sweeps.sweep import SweepRow
from polarprior.sweeps.verdict import LOWER_IS_BETTER

_LABELS = {
    "fid": "Fréchet distance",
    "kid": "kernel distance",
    "ppl": "path length",
    "ppl-w": "path length between styles",
}
_HIGHER_IS_BETTER = ("precision", "recall", "density", "coverage", "is")
_PLACES = ((4, 4), (4, -10), (-4, 4), (-4, -10), (8, -3), (-8, -3), (4, 14), (4, -20), (-4, 14), (-4, -20))
"""Where a point's label may be, in points of type from the point; the first that is free is taken."""


def check_matplotlib() -> None:
    """Raise PolarPriorError where matplotlib is missing: before any work."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise PolarPriorError(
            "reference: the report needs matplotlib, which is not installed",
            f'type: {PIP} "polarprior[report]"',
        ) from error


def against_polarity(rows: Sequence[SweepRow], space: str, metric: str, baseline: float | None = None) -> str:
    """A metric against rho, one curve a truncation with that of its control, ± one standard deviation over the sets;
    rows beyond the limits of rho are hollow."""
    figure, axes = axes_of("rho", _label(metric))
    for trunc, curve in _curves(rows).items():
        points = [(row.diagnostics.rho, row.metrics[space][metric]) for row in curve if row.diagnostics]
        x, spreads = [point[0] for point in points], [point[1] for point in points]
        (line,) = axes.plot(x, [each.mean for each in spreads], label=_polarity(trunc), zorder=1)
        for row, at, spread in zip(curve, x, spreads, strict=True):
            axes.errorbar(at, spread.mean, spread.std, fmt="o", **_marker(row, line.get_color()))
        if any(row.effect for row in curve):
            axes.plot(
                x, [_control(row, space, metric) for row in curve], ":", color=line.get_color(), label="control"
            )
    if baseline is not None:
        axes.axhline(baseline, color="gray", linestyle=":", label="halves of the reference")
    _spread_ticks(axes)
    return as_svg(figure)


def pareto(rows: Sequence[SweepRow], space: str) -> str:
    """Recall against precision: polarity at each truncation, and truncation alone."""
    figure, axes = axes_of(_label("precision"), _label("recall"))
    curves: list[tuple[str, list[SweepRow], str]] = [
        (_polarity(trunc), curve, "-") for trunc, curve in _curves(rows).items()
    ]
    labels: list[tuple[str, float, float]] = []
    alone = [row for row in rows if row.diagnostics is None]
    if alone:
        curves.append(("truncation, rho 0", alone, "--"))
    for label, curve, style in curves:
        points = [row.metrics[space] for row in curve]
        x, y = ([each[name] for each in points] for name in ("precision", "recall"))
        (line,) = axes.plot([each.mean for each in x], [each.mean for each in y], style, label=label, zorder=1)
        for row, across, up in zip(curve, x, y, strict=True):
            axes.errorbar(across.mean, up.mean, up.std, across.std, fmt="o", **_marker(row, line.get_color()))
            said = f"{row.diagnostics.rho:g}" if row.diagnostics else f"psi {row.trunc:g}"
            labels.append((said, across.mean, up.mean))
    _spread_ticks(axes)
    _label_points(figure, axes, labels)
    return as_svg(figure)


def _label(metric: str) -> str:
    """The name of a metric on an axis, with what better means."""
    better = "higher" if metric in _HIGHER_IS_BETTER else "lower" if metric in LOWER_IS_BETTER else ""
    return _LABELS.get(metric, metric) + (f" ({better} is better)" if better else "")


def _label_points(figure: Any, axes: Any, labels: Sequence[tuple[str, float, float]]) -> None:
    """Write a text beside each point (text, x, y), where it lies over no other text and no other point."""
    figure.draw_without_rendering()
    points = [axes.transData.transform((x, y)) for _, x, y in labels]
    taken: list[Any] = []
    for (text, x, y), own in zip(labels, points, strict=True):
        tried: list[tuple[int, int, Any, Any]] = []
        for place in _PLACES:
            sides = {"ha": "left" if place[0] > 0 else "right" if place[0] < 0 else "center"}
            label = axes.annotate(text, (x, y), fontsize=8, xytext=place, textcoords="offset points", **sides)
            box = label.get_window_extent()
            others = sum(box.contains(*point) for point in points if point is not own)
            tried.append((sum(box.overlaps(each) for each in taken) + others, len(tried), label, box))
            label.set_visible(False)
            if tried[-1][0] == 0:
                break
        _, _, label, box = min(tried, key=lambda each: each[:2])
        label.set_visible(True)
        taken.append(box)


def _control(row: SweepRow, space: str, metric: str) -> float:
    """The same repetitions without polarity; at rho 0 the row itself."""
    return row.metrics[space][metric].mean - (row.effect[space][metric].mean if row.effect else 0)


def _curves(rows: Sequence[SweepRow]) -> dict[float | None, list[SweepRow]]:
    """Rows of a polarity by their truncation, rho rising."""
    curves: dict[float | None, list[SweepRow]] = {}
    for row in rows:
        if row.diagnostics is not None:
            curves.setdefault(row.trunc, []).append(row)
    return {trunc: sorted(curve, key=lambda row: row.diagnostics.rho) for trunc, curve in curves.items()}  # type: ignore[union-attr]


def _polarity(trunc: float | None) -> str:
    return "polarity" if trunc is None else f"polarity, psi {trunc:g}"


def _marker(row: SweepRow, colour: Any) -> dict[str, Any]:
    """A mark: filled where the bank supports rho, hollow where it doesn't."""
    trusted = row.diagnostics is None or row.diagnostics.within_limits
    return {"color": colour, "markerfacecolor": colour if trusted else "white", "markersize": 4, "elinewidth": 0.8}


def axes_of(x: str, y: str) -> tuple[Any, Any]:
    """A figure with one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    return figure, axes


def _spread_ticks(axes: Any) -> None:
    """So few ticks that their labels don't meet, and room for the legend above the curves."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.margins(y=0.25)
    axes.legend(fontsize=8, loc="upper center", ncols=2, bbox_to_anchor=(0.5, 1.16), frameon=False)


def as_svg(figure: Any) -> str:
    """The same bytes for the same curves."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "polarprior", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
