"""The report of a sweep: what was drawn, curves, tables and pictures on one page."""

from __future__ import annotations

from collections.abc import Sequence

from polarprior.reports.page import Report
from polarprior.reports.plots import against_polarity, pareto
from polarprior.sweeps.measuring import Measuring
from polarprior.sweeps.modes import modes_picture
from polarprior.sweeps.sweep import Sweep, SweepRow
from polarprior.sweeps.verdict import verdict

CHANGE = "  against its control"
CHOSEN_BY = ("fid", "kid", "transport", "precision", "recall")
READING = (
    "A lower fid, kid or transport is better, and a higher precision, recall, density or coverage. The figures are "
    "means ± one standard deviation over the sets; each set is of a part of the bank of its own, so that ± holds "
    "what the bank leaves open.",
    "A bank repeats latents, which makes every metric worse. ‘Against its control’ is therefore the change against "
    "the same repetitions without polarity, and what the answer above goes by. polarprior tune searches for a rho, "
    "and says where none is better.",
    "In the last row two halves of the reference are compared with each other. Their number is not that of the rows "
    "above, and fid falls as it grows.",
    "Hollow marks and grey rows lie beyond the limits of rho: there a few latents take most draws, and the row shows "
    "these, not the law. rho can’t be compared between models, spaces and k; the tilt, rho times the standard "
    "deviation of the log-volume, can.",
)


def verdicts(sweep: Sweep) -> list[str]:
    """What the sweep has found, a sentence for each space and metric that a rho is chosen by; the first is enough."""
    measuring, comparison = sweep.measuring, sweep.options.comparison
    if measuring is None or comparison is None:
        return []
    space, names = next(iter(sweep.rows[0].metrics.items()))
    return [verdict(sweep.rows, space, name, measuring) for name in names if name in CHOSEN_BY]


def sweep_html(sweep: Sweep) -> bytes:
    """A page of its own, of a sweep whose rows were measured."""
    rows, measuring, comparison = sweep.rows, sweep.measuring, sweep.options.comparison
    if measuring is None or comparison is None:
        raise ValueError("nothing was measured")
    reference, sampler, first = str(comparison.reference), sweep.options.sampler.sampler, sweep.reports[0]
    report = Report(f"{sweep.model}: a sweep of polarity")
    for line in verdicts(sweep):
        report.answer(line)
    report.picture(sweep.picture(titled=False), "one row a polarity, one column a seed")
    real = "the model’s own pictures" if reference == "prior" else reference
    report.paragraph(
        f"{sweep.model} against {real} ({measuring.judge.count:,} images), {measuring.sets} sets of "
        f"{measuring.samples:,} draws. Sampler {sampler}, bank of {first.rows:,} rows, k {first.k}, {first.target}, "
        f"limits of rho {first.limits}, of the tilt {first.tilt_limits}."
    )
    report.folded("How to read this page", READING)
    for space in rows[0].metrics:
        _metrics(report, rows, space, measuring)
    for group in sweep.ends:
        report.heading(group.title)
        near = f"Nearest images of {reference} beside each, by pixels." if group.neighbours else ""
        report.paragraph(f"{near} l is the log-volume, in nats.", note=True)
        report.picture(modes_picture([group], ""), group.title)
    return report.html()


def _metrics(report: Report, rows: Sequence[SweepRow], space: str, measuring: Measuring) -> None:
    """Curves and a table of one space."""
    report.heading(f"Metrics in {space}")
    names, halves = list(rows[0].metrics[space]), measuring.judge.halves[space]
    curves = [pareto(rows, space)] if {"precision", "recall"} <= set(names) else []
    curves += [against_polarity(rows, space, name, halves.get(name)) for name in names]
    report.curves(curves)
    heads, *cells = metric_table(rows, space, measuring)
    trusted = [
        row.diagnostics is None or row.diagnostics.within_limits
        for row in rows
        for _ in range(2 if row.effect else 1)
    ]
    report.table(heads, cells, [*trusted, True])


def metric_table(rows: Sequence[SweepRow], space: str, measuring: Measuring) -> list[tuple[str, ...]]:
    """Heads, a row of cells for each row, under it the change against its control where it has one, and at the end
    two halves of the real images against each other."""
    names = list(rows[0].metrics[space])
    truncations = any(row.trunc is not None for row in rows)
    lines = [("rho", *(["trunc"] if truncations else []), "tilt", "ESS", "distinct", *names)]
    blank = ("",) * (len(lines[0]) - len(names) - 1)
    for row in rows:
        report = row.diagnostics
        known = (f"{report.rho:g}", f"{report.tilt:.3g}", f"{report.ess:.0f}") if report else ("none", "", "")
        trunc = "" if row.trunc is None else f"{row.trunc:g}"
        distinct = f"{row.measured.distinct:.0f}" if row.measured else ""
        cells = [str(row.metrics[space][name]) for name in names]
        lines.append((known[0], *([trunc] if truncations else []), *known[1:], distinct, *cells))
        if row.effect:
            changes = [row.effect[space][name].told("+") for name in names]
            lines.append((CHANGE, *blank, *changes))
    halves = measuring.judge.halves[space]
    cells = [f"{halves[name]:.4g}" if name in halves else "" for name in names]
    return [*lines, (f"two halves of the reference, {measuring.judge.count // 2} each", *blank, *cells)]
