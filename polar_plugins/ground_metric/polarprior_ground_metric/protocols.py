"""How the paper's section 4 judges distances: CMC, PUR, ROC, equal error rate and k-NN accuracy."""

from __future__ import annotations

import numpy as np
import torch
from polarprior.plugin import UsageError
from sklearn.metrics import roc_curve

from polarprior_ground_metric.held_out import voted


def match_curve(distances: np.ndarray, probes: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """The cumulative match characteristic: the share of probes whose match is among the r nearest of the gallery.

    Args:
        distances: [n, N]. What is as near as the match counts as nearer.
        probes: labels [n], each one in the gallery.
        gallery: labels [N]; of several with a label the nearest is the match.

    Returns:
        [N], for r = 1, ..., N; the last is 1.

    Raises:
        UsageError: a probe without a match.
    """
    distances, probes, gallery = _checked(distances, probes, gallery)
    same = probes[:, None] == gallery
    if not same.any(1).all():
        missing = probes[~same.any(1)][0].item()
        raise UsageError(f"probes: {missing!r} is not in the gallery", "leave out probes without a match")
    nearest = np.where(same, distances, np.inf).min(1, keepdims=True)
    before = ((distances <= nearest) & ~same).sum(1)
    shares: np.ndarray = np.bincount(before, minlength=len(gallery)).cumsum() / len(probes)
    return shares


def uncertainty_removed(curve: np.ndarray) -> float:
    """PUR, eq. 17, of a curve [N] of `match_curve`: 1 where every match comes first, 0 where chance ranks them.

    M(r) is the share of matches at rank r alone, and 0 log 0 = 0; the paper prints it in percent.

    Raises:
        UsageError: a gallery of one, where nothing is uncertain.
    """
    if len(curve) < 2:
        raise UsageError(f"curve: a gallery of {len(curve)}, expected 2 or more", "look things up among more")
    shares = np.diff(np.asarray(curve, dtype=np.float64), prepend=0.0)
    shares = shares[shares > 0]
    return float(1 + (shares * np.log(shares)).sum() / np.log(len(curve)))


def receiver_curve(distances: np.ndarray, same: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ROC of "a pair nearer than some distance belongs together".

    Args:
        distances: of pairs, [n].
        same: whether they belong together, [n]; some do, and some don't.

    Returns:
        Rates of false and of true acceptance, rising, from 0 to 1.
    """
    distances, same = np.asarray(distances), np.asarray(same, dtype=bool)
    if distances.shape != same.shape or same.ndim != 1:
        raise UsageError(
            f"same: got {list(same.shape)} for distances {list(distances.shape)}, expected [n], [n]",
            "say of each pair whether it belongs together",
        )
    if np.isnan(distances).any():
        raise UsageError("distances: some are no numbers", "look at what they were taken of")
    if same.all() or not same.any():
        raise UsageError("same: all pairs are alike", "give pairs that belong together, and some that don't")
    false, true, _ = roc_curve(same, -distances, drop_intermediate=False)
    return false, true


def equal_error_rate(distances: np.ndarray, same: np.ndarray) -> float:
    """EER: the error at the distance where as large a share is falsely accepted as is falsely refused; see
    `receiver_curve`, between whose points it is interpolated."""
    accepted, true = receiver_curve(distances, same)
    refused = 1 - true
    after = int((accepted >= refused).argmax())
    gap = (refused - accepted)[after - 1 : after + 1]
    share = gap[0] / (gap[0] - gap[1])
    return float(accepted[after - 1] + share * (accepted[after] - accepted[after - 1]))


def neighbour_accuracy(distances: np.ndarray, labels: np.ndarray, stored: np.ndarray, count: int = 1) -> float:
    """Share of k-NN's labels that are right.

    Args:
        distances: [n, m].
        labels: the true ones, [n].
        stored: labels of what they are compared with, [m].
        count: k; where labels have as many of these the nearest one decides.
    """
    distances, labels, stored = _checked(distances, labels, stored)
    if count != int(count) or not 1 <= count <= len(stored):
        raise UsageError(f"count: got {count}, expected 1 to {len(stored)}", "use count=1")
    names, codes = np.unique(stored, return_inverse=True)
    found = voted(torch.from_numpy(distances), torch.from_numpy(codes), count)
    return float((names[found.numpy()] == labels).mean())


def _checked(
    distances: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    distances, rows, columns = np.asarray(distances), np.asarray(rows), np.asarray(columns)
    if distances.shape != (len(rows), len(columns)) or not distances.size:
        raise UsageError(
            f"distances: got {list(distances.shape)}, expected [{len(rows)}, {len(columns)}], a label each",
            "give one distance for each pair",
        )
    if np.isnan(distances).any():
        raise UsageError("distances: some are no numbers", "look at what they were taken of")
    return distances, rows, columns
