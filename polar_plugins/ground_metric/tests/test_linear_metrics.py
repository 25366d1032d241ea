"""The rivals that the benchmarks write themselves: each finds what tells classes apart under noise."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier


@pytest.fixture(scope="module")
def rivals():
    folder = str(Path(__file__).parents[1] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        import linear_metrics
    finally:
        sys.path.remove(folder)
    return linear_metrics


def sample(seed, each=30, classes=4):
    """Classes around corners of a square, and six times as much noise along eight more axes: [n, 10], [n]."""
    stream, y = np.random.default_rng(seed), np.arange(classes).repeat(each)
    corners = np.stack([y % 2, y // 2], 1) * 4.0
    signal = corners + stream.normal(size=(len(y), 2))
    x = np.concatenate([signal, 6 * stream.normal(size=(len(y), 8))], 1)
    turned, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(10, 10)))
    return x @ turned, y


@pytest.mark.parametrize(
    "name", ["KISSME", "PCCA", "LDML", "LFDA", "MFA", "LMNN with Fantope norm", "LMNN with capped norm"]
)
def test_each_is_better_than_distance(rivals, name):
    make = {
        "KISSME": partial(rivals.simple, seed=0),
        "PCCA": partial(rivals.pairwise, seed=0, components=3),
        "LDML": partial(rivals.pairwise, seed=0),
        "LFDA": partial(rivals.local_discriminant, components=3),
        "MFA": partial(rivals.marginal, components=3),
        "LMNN with Fantope norm": partial(rivals.low_rank_neighbours, targets=3, norm="fantope", weight=0.1, rank=3),
        "LMNN with capped norm": partial(rivals.low_rank_neighbours, targets=3, norm="capped", weight=0.1, rank=3),
    }[name]
    (x, y), (others, truth) = sample(0), sample(1)
    scale = x.std()
    x, others = x / scale, others / scale
    plain = KNeighborsClassifier(3).fit(x, y).score(others, truth)
    linear = make(x, y)
    learnt = KNeighborsClassifier(3).fit(x @ linear.T, y).score(others @ linear.T, truth)
    assert plain < 0.5
    assert learnt > plain + 0.2


def test_fewer_vectors_than_numbers(rivals):
    """Two of a class, as when a person is seen by two cameras: nothing is singular."""
    stream = np.random.default_rng(0)
    x, y = stream.normal(size=(20, 40)), np.arange(10).repeat(2)
    for make in (rivals.local_discriminant, rivals.marginal):
        linear = make(x, y, 9)
        assert linear.shape == (9, 40)
        assert np.isfinite(linear).all()


def test_the_logistic_loss_has_the_gradient_that_it_says(rivals, monkeypatch):
    x, y = sample(0, each=5)
    seen = {}

    def checked(loss, start, jac, method, options):
        at = start + 0.1 * np.random.default_rng(1).normal(size=len(start))
        for place in (0, 7, len(start) - 1):
            step = np.zeros(len(start))
            step[place] = 1e-5
            seen[place] = (loss(at + step)[0] - loss(at - step)[0]) / 2e-5, loss(at)[1][place]
        return type("Found", (), {"x": start})

    monkeypatch.setattr(rivals, "minimize", checked)
    rivals.pairwise(x, y, 0)
    for differences, written in seen.values():
        assert differences == pytest.approx(written, rel=1e-5, abs=1e-9)
