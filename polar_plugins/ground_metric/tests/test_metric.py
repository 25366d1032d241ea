"""The estimator on sets that are easy to tell apart once a direction is ignored, and signatures of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from polarprior.errors import UsageError
from polarprior_ground_metric.held_out import voted
from polarprior_ground_metric.images import clustered, ink_patches, of_maps, reduction, stripes, textures
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.signatures import Signatures
from sklearn.base import clone
from sklearn.exceptions import NotFittedError


def sets(count=60, seed=0):
    """Three classes, told apart by the first number; the second is noise, ten times as wide."""
    stream = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    found = []
    for label in labels:
        points = stream.normal(size=(int(stream.integers(2, 5)), 2)) * [0.3, 10]
        points[:, 0] += 1.5 * label
        found.append(points.astype(np.float32))
    return found, np.array(["a", "b", "c"])[labels]


@pytest.fixture(scope="module")
def metric():
    return MultiLevelMetric(targets=2, impostors=4, rate=0.9).fit(*sets())


def test_what_is_noise_is_learnt_to_be_ignored(metric):
    others, labels = sets(seed=1)
    plain = MultiLevelMetric(rounds=0).fit(*sets())
    assert metric.score(others, labels) > plain.score(others, labels) + 0.1
    shared = metric.levels_.shared
    assert float(shared[0, 0]) > 2 * float(shared[1, 1])
    assert [each.rho_0 for each in metric.tried_] == [None, 1.0, 1.0]


def test_it_is_an_estimator(metric):
    others, labels = sets(seed=1)
    distances, rows = metric.kneighbors(others, 4)
    assert distances.shape == rows.shape == (60, 4)
    assert (np.diff(distances, axis=1) >= 0).all()
    predicted = metric.predict(others)
    assert metric.score(others, labels) == pytest.approx((predicted == labels).mean())
    moved = metric.transform(others)
    assert moved.points.shape[:2] == Signatures.of(others).points.shape[:2]
    torch.testing.assert_close(moved.points, Signatures.of(others).points @ metric.linear().T)
    again = clone(metric).fit(*sets())
    assert torch.equal(again.levels_.shared, metric.levels_.shared), "the same data give the same bytes"
    with pytest.raises(NotFittedError):
        clone(metric).predict(others)


def test_own_matrices_are_kept_only_where_they_are_better():
    """With regularisers of 1e9 they can't be."""
    metric = MultiLevelMetric(targets=2, impostors=4, rho_t=(1e9,), rounds=2).fit(*sets())
    assert not bool(metric.levels_.own.any())
    torch.testing.assert_close(metric.linear("b"), metric.linear())
    with pytest.raises(UsageError, match="got 'd'"):
        metric.linear("d")


def test_classes_to_come_may_be_others():
    """Twelve persons, seen twice each; what tells them apart is learnt from nine."""
    stream = np.random.default_rng(0)
    where = np.linspace(0, 6, 24)[stream.permutation(24)]

    def seen(persons):
        return [
            (stream.normal(size=(3, 2)) * [0.05, 5] + [where[each], 0]).astype(np.float32)
            for each in persons
            for _ in range(2)
        ]

    labels = np.repeat(np.arange(12), 2)
    probes, gallery = seen(range(12, 24))[::2], seen(range(12, 24))[1::2]
    ranks = []
    for rounds in (6, 0):
        metric = MultiLevelMetric(1, new_classes=True, rounds=rounds).fit(seen(range(12)), labels)
        assert not bool(metric.levels_.own.any())
        ranks.append(float(metric.distances(probes, gallery).argsort(1).argsort(1).diagonal().double().mean()))
    assert ranks[0] < ranks[1] - 1
    with pytest.raises(UsageError, match="expected 4 or more"):
        MultiLevelMetric(new_classes=True).fit(seen(range(3)), labels[:6])


def test_votes():
    distances = torch.tensor([[0.1, 0.2, 0.3, 9], [0.4, 0.3, 0.2, 0.1]])
    classes = torch.tensor([1, 0, 0, 2])
    assert voted(distances, classes, 1).tolist() == [1, 2]
    assert voted(distances, classes, 2).tolist() == [1, 2], "of as many, the nearest"
    assert voted(distances, classes, 3).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("given", "labels", "said"),
    [
        ([], [], "got none"),
        ([np.ones((2, 2)), np.ones((2, 3))], [0, 1], r"points of \[2, 3\] numbers"),
        ([np.ones(3)], [0], "signature 0: points"),
        ([np.full((2, 2), np.nan)], [0], "not finite"),
        ([(np.ones((2, 2)), np.zeros(2))], [0], "no points with weight"),
        ([(np.ones((2, 2)), np.array([2.0, -1]))], [0], "negative"),
        ([np.ones((2, 2))] * 4, [0, 0, 0, 0], "1 classes"),
        ([np.ones((2, 2))] * 4, [0, 0, 0, 1], "a class of 1"),
        ([np.ones((2, 2))] * 12, [0, 1] * 6, "all are the same"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(given, labels, said):
    with pytest.raises(UsageError, match=said):
        MultiLevelMetric().fit(given, labels)


def test_patches_of_ink():
    images = np.zeros((2, 6, 6), np.float32)
    images[0, 1, 1] = 1
    images[1, 4, 4] = 0.5
    found = ink_patches(images, size=3, most=4)
    assert found.points.shape == (2, 4, 11)
    torch.testing.assert_close(found.weights, torch.full((2, 4), 0.25))
    assert float(found.points[0, :, 9:].mean()) == pytest.approx(-2 / 3), "where the ink is"
    with pytest.raises(UsageError, match="no ink"):
        ink_patches(np.zeros((1, 6, 6)))


def test_places_of_maps():
    maps = torch.rand(2, 3, 4, 5)
    found = of_maps(maps)
    assert found.points.shape == (2, 20, 3)
    torch.testing.assert_close(found.means(), maps.mean((2, 3)))
    heavy = of_maps(maps, energy=True).weights
    torch.testing.assert_close(heavy, maps.flatten(2).sum(1) / maps.sum((1, 2, 3))[:, None])


def test_clusters_have_shares():
    frames = np.concatenate([np.zeros((3, 2)), np.ones((1, 2))])
    found = clustered([frames, frames[:2]], 2)
    assert sorted(found.weights[0].tolist()) == [0.25, 0.75]
    assert found.weights[1].tolist() == [1, 0]
    torch.testing.assert_close(found.means()[0], torch.full((2,), 0.25))


def test_a_reduction_keeps_what_varies():
    points = torch.randn(50, 4) * torch.tensor([0.1, 5, 0.1, 1])
    found = reduction(points, 2)
    torch.testing.assert_close(found @ found.T, torch.eye(2), atol=1e-5, rtol=0)
    assert found.abs().argmax(1).tolist() == [1, 3]
    assert bool((found.gather(1, found.abs().argmax(1, keepdim=True)) > 0).all())


def test_textures_are_two_points_an_image():
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    found = textures(np.random.default_rng(0).random((6, 32, 32)), 4)
    assert found.points.shape == (6, 2, 4)
    torch.testing.assert_close(found.points.mean(0), torch.zeros(2, 4), atol=1e-6, rtol=0)


def test_stripes_are_colours_from_head_to_foot():
    """Red above, blue below: Pillow's hues 0 and 170, in bins 0 and 5 of 8."""
    image = np.zeros((1, 12, 4, 3), np.uint8)
    image[:, :6, :, 0] = image[:, 6:, :, 2] = 255
    found = stripes(image, count=2).reshape(2, 3, 8)
    assert found.argmax(2).tolist() == [[0, 7, 7], [5, 7, 7]]
    assert bool((found.sum(2) == 1).all())
