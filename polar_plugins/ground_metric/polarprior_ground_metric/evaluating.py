"""How well a learnt metric does on signatures that it has not seen, beside the same distances with M = I."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np
from polarprior.plugin import UsageError

from polarprior_ground_metric.distances import Tally, all_pairs, solve
from polarprior_ground_metric.levels import Levels
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.protocols import equal_error_rate, match_curve, neighbour_accuracy, uncertainty_removed
from polarprior_ground_metric.signature_files import Labelled

Figures = dict[str, float]
RANKS = (1, 5, 10, 20)
"""Those that the paper's Tables 1 and 2 print of a cumulative match characteristic."""


def evaluated(
    metric: MultiLevelMetric, protocol: str, probes: Labelled, gallery: Labelled | None, neighbours: int
) -> dict[str, Figures]:
    """Figures of a metric, and of the same distances with M = I.

    Args:
        metric: after `fit`.
        protocol: one of `PROTOCOLS`.
        probes: what is looked up, classified, or paired.
        gallery: what it is compared with, under M_0; None for the signatures that the metric was learnt from, each
            under the matrices of its class, or with ``eer`` for the probes themselves.
        neighbours: that vote, of ``knn``.

    Returns:
        By metric, ``M = I`` and ``learnt``, what `PROTOCOLS` says.

    Raises:
        UsageError: points of another number of dimensions than those of `fit`; labels without a match.
    """
    stored, _ = metric.stored()
    plain = copy(metric)
    plain.levels_ = Levels.start(len(metric.classes_), stored.points)
    judge = PROTOCOLS[protocol]
    with Tally():
        return {
            name: judge(each, probes, gallery, neighbours) for name, each in (("M = I", plain), ("learnt", metric))
        }


def _knn(metric: MultiLevelMetric, probes: Labelled, gallery: Labelled | None, neighbours: int) -> Figures:
    distances, known = _compared(metric, probes, gallery)
    if not np.isin(probes.labels, known).any():
        raise UsageError(
            f"data: none of its labels, such as {probes.labels[0]}, is one of those it is compared with, such as "
            f"{known[0]}",
            "give signatures of the same classes, or use protocol=cmc with a gallery",
        )
    return {"accuracy": neighbour_accuracy(distances, probes.labels, known, neighbours)}


def _cmc(metric: MultiLevelMetric, probes: Labelled, gallery: Labelled | None, _: int) -> Figures:
    distances, known = _compared(metric, probes, gallery)
    curve = match_curve(distances, probes.labels, known)
    ranks = {f"rank {rank}": float(curve[rank - 1]) for rank in RANKS if rank <= len(curve)}
    return {**ranks, "PUR": uncertainty_removed(curve)}


def _compared(metric: MultiLevelMetric, probes: Labelled, gallery: Labelled | None) -> tuple[np.ndarray, np.ndarray]:
    """Distances [n, m], and the labels [m] of what they are to."""
    others = None if gallery is None else gallery.signatures
    distances = metric.distances(probes.signatures, others).cpu().numpy()
    known = metric.classes_[metric.stored()[1].cpu().numpy()] if gallery is None else gallery.labels
    return distances, known


def _eer(metric: MultiLevelMetric, probes: Labelled, gallery: Labelled | None, _: int) -> Figures:
    """All pairs of a probe and one of the gallery; of the probes alone each pair once, and none with itself."""
    mine = metric.transform(probes.signatures)
    others = mine if gallery is None else metric.transform(gallery.signatures)
    own = [solve(each, each, metric.gamma_).value / 2 for each in (mine, others)]
    distances = (all_pairs(mine, others, metric.gamma_) - own[0][:, None] - own[1]).cpu().numpy()
    same = probes.labels[:, None] == (probes if gallery is None else gallery).labels
    if gallery is None:
        once = np.triu_indices(len(same), 1)
        distances, same = distances[once], same[once]
    return {
        "EER": equal_error_rate(distances.ravel(), same.ravel()),
        "pairs of one label": float(same.sum()),
        "pairs of two": float((~same).sum()),
    }


PROTOCOLS: dict[str, Callable[[MultiLevelMetric, Labelled, Labelled | None, int], Figures]] = {
    "knn": _knn,
    "cmc": _cmc,
    "eer": _eer,
}
