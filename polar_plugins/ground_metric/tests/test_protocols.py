"""The seed's protocols on distances whose curves are known."""

from __future__ import annotations

import numpy as np
import pytest
from polarprior.plugin import UsageError
from polarprior_ground_metric.protocols import (
    equal_error_rate,
    match_curve,
    neighbour_accuracy,
    receiver_curve,
    uncertainty_removed,
)
from sklearn.metrics import auc, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier


def test_a_match_curve_counts_ranks():
    """Matches at rank 1, 3 and 2 of four."""
    distances = np.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.3, 0.2, 0.4], [0.3, 0.1, 0.2, 0.9]])
    curve = match_curve(distances, np.array(["a", "b", "c"]), np.array(["a", "b", "c", "d"]))
    np.testing.assert_allclose(curve, [1 / 3, 2 / 3, 1, 1])
    twice = match_curve(distances[1:2], np.array([7]), np.array([3, 7, 7, 5]))
    np.testing.assert_allclose(twice, [0, 1, 1, 1], err_msg="the nearest of two of a label")
    tied = match_curve(np.zeros((1, 3)), np.array([1]), np.array([0, 1, 2]))
    np.testing.assert_allclose(tied, [0, 0, 1], err_msg="no luck in a tie")
    with pytest.raises(UsageError, match="'e' is not in the gallery"):
        match_curve(distances[:1], np.array(["e"]), np.array(["a", "b", "c", "d"]))
    with pytest.raises(UsageError, match=r"got \[3, 4\], expected \[3, 3\]"):
        match_curve(distances, np.arange(3), np.arange(3))
    with pytest.raises(UsageError, match="some are no numbers"):
        match_curve(np.full((1, 2), np.nan), np.array([0]), np.arange(2))


def test_pur_is_1_when_sure_and_0_by_chance():
    assert uncertainty_removed(np.ones(50)) == 1
    assert uncertainty_removed(np.arange(1, 51) / 50) == pytest.approx(0, abs=1e-12)
    half = np.array([0.5, 1, 1, 1])
    assert uncertainty_removed(half) == pytest.approx(0.5), "one bit of two is left"
    with pytest.raises(UsageError, match="a gallery of 1"):
        uncertainty_removed(np.ones(1))


def test_rates_of_pairs():
    distances, same = np.array([0.1, 0.2, 0.3, 0.4]), np.array([1, 0, 1, 0])
    accepted, true = receiver_curve(distances, same)
    np.testing.assert_allclose(accepted, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(true, [0, 0.5, 0.5, 1, 1])
    assert equal_error_rate(distances, same) == 0.5
    assert equal_error_rate(distances, np.array([1, 1, 0, 0])) == 0
    assert equal_error_rate(distances, np.array([0, 0, 1, 1])) == 1
    for wrong, of, said in (
        (distances, np.ones(4), "all pairs are alike"),
        (distances, same[:3], "expected"),
        (distances * np.nan, same, "no numbers"),
    ):
        with pytest.raises(UsageError, match=said):
            receiver_curve(wrong, of)


def test_an_equal_error_rate_is_where_two_normal_laws_cross():
    """Distances with means 0 and 2 and deviation 1: both errors are Phi(-1) at 1."""
    stream = np.random.default_rng(0)
    same = np.arange(40_000) % 2 == 0
    distances = stream.normal(size=40_000) + np.where(same, 0, 2)
    assert equal_error_rate(distances, same) == pytest.approx(0.1587, abs=0.004)
    accepted, true = receiver_curve(distances, same)
    assert auc(accepted, true) == pytest.approx(roc_auc_score(same, -distances))


def test_neighbours_are_scikit_learns():
    stream = np.random.default_rng(1)
    points, labels = stream.normal(size=(80, 3)), stream.integers(0, 3, 80)
    points[:, 0] += labels
    distances = np.linalg.norm(points[60:, None] - points[:60], axis=2)
    for count in (1, 5):
        theirs = KNeighborsClassifier(count).fit(points[:60], labels[:60])
        sure = np.sort(theirs.predict_proba(points[60:]), 1)
        clear = sure[:, -1] > sure[:, -2]  # ties are broken otherwise there
        expected = (theirs.predict(points[60:]) == labels[60:])[clear].mean()
        assert neighbour_accuracy(distances[clear], labels[60:][clear], labels[:60], count) == expected
    for count in (0, 61, 1.5):
        with pytest.raises(UsageError, match=f"count: got {count}"):
            neighbour_accuracy(distances, labels[60:], labels[:60], count)
