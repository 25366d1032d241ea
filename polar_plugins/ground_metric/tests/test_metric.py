"""The estimator on sets that are easy to tell apart once a direction is ignored, and signatures of images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from polarprior.plugin import UsageError
from polarprior_ground_metric.held_out import voted
from polarprior_ground_metric.images import clustered, ink_patches, of_maps, reduction, stripes, textures
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.signatures import Signatures
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score


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


def test_the_order_of_signatures_changes_nothing():
    """Sorted by class, as folders are, or not: the mean ground distance is of all pairs."""
    given, labels = sets()
    given = [each + np.float32([40 * "abc".index(label), 0]) for each, label in zip(given, labels, strict=True)]
    order = np.argsort(labels, kind="stable")
    one = MultiLevelMetric(rounds=0).fit(given, labels)
    other = MultiLevelMetric(rounds=0).fit([given[row] for row in order], labels[order])
    between = [((p[:, None] - q) ** 2).sum(2).mean() for p in given for q in given]
    for metric in (one, other):
        smoothing = metric.gamma_ * metric.scale_**2 / np.mean(between)
        assert smoothing == pytest.approx(0.05, rel=0.05), "but for what is held out"


def test_a_margin_of_1_means_something_where_sets_overlap():
    """W of overlapping sets is below 0 by its entropy; debiased it isn't."""
    stream = np.random.default_rng(0)
    anchors = 5 * stream.normal(size=(8, 2))
    given = [(anchors + 0.3 * stream.normal(size=(8, 2)) + 0.3 * (row % 2)).astype(np.float32) for row in range(24)]
    metric = MultiLevelMetric(rounds=0).fit(given, np.arange(24) % 2)
    assert 0.1 < metric.scale_ < 2


def test_a_class_gets_a_matrix_of_its_own_where_that_is_better():
    """Two classes that their first numbers alone tell apart, and far from these two that their second ones do."""

    def drawn(seed):
        stream = np.random.default_rng(seed)
        labels = np.arange(160) % 4
        which, right = (labels >= 2).astype(int), labels % 2
        points = 4 * stream.normal(size=(160, 3, 2))
        points[np.arange(160), :, which] = 0.5 * stream.normal(size=(160, 3)) + 1.5 * right[:, None]
        return (points + 12 * which[:, None, None]).astype(np.float32), labels

    shared = MultiLevelMetric(rho_t=()).fit(*drawn(0))
    metric = MultiLevelMetric(rho_t=(0.1,)).fit(*drawn(0))
    assert bool(metric.levels_.own.any())
    assert metric.chosen_ == metric.tried_[-1]
    assert metric.score(*drawn(1)) > shared.score(*drawn(1)) + 0.03


def test_votes():
    distances = torch.tensor([[0.1, 0.2, 0.3, 9], [0.4, 0.3, 0.2, 0.1]])
    classes = torch.tensor([1, 0, 0, 2])
    assert voted(distances, classes, 1).tolist() == [1, 2]
    assert voted(distances, classes, 2).tolist() == [1, 2], "of as many, the nearest"
    assert voted(distances, classes, 3).tolist() == [0, 0]
    apart = torch.arange(5.0)[None]
    assert voted(apart, torch.tensor([0, 1, 1, 2, 0]), 5).tolist() == [0]
    assert voted(apart[:, :4], torch.tensor([1, 0, 0, 1]), 4).tolist() == [1]


def test_scikit_learn_splits_signatures():
    given, labels = sets()
    metric = MultiLevelMetric(rounds=1, targets=2, impostors=4)
    scores = cross_val_score(metric, Signatures.of(given), labels, cv=2)
    assert ((scores > 0.5) & (scores <= 1)).all()
    assert len(Signatures.of(given)[3]) == 1


def test_numbers_of_another_width_are_cast(metric):
    others, _ = sets(seed=1)
    wide = [each.astype(np.float64) for each in others]
    assert metric.predict(wide).tolist() == metric.predict(others).tolist()
    with pytest.raises(UsageError, match="points of 3 numbers, expected 2"):
        metric.transform([np.ones((2, 3))])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rho_0": 1.0}, "rho_0: got 1.0"),
        ({"rho_0": ()}, "rho_0"),
        ({"rho_t": 0.5}, "rho_t: got 0.5"),
        ({"steps": 0}, "steps: got 0"),
        ({"targets": 0}, "targets"),
        ({"impostors": True}, "impostors"),
        ({"validation": 1.0}, "validation"),
        ({"seed": -1}, "seed"),
        ({"smoothing": 0}, "smoothing"),
        ({"rate": float("nan")}, "rate"),
        ({"mu": 2}, "mu"),
        ({"rounds": -1}, "rounds"),
        ({"n_neighbors": 2.5}, "n_neighbors"),
    ],
)
def test_parameters_are_checked(settings, said):
    with pytest.raises(UsageError, match=said):
        MultiLevelMetric(**settings).fit(*sets())


def test_labels_are_checked(metric):
    others, labels = sets(seed=1)
    for wrong in (labels[:1], labels[:, None], labels[0]):
        with pytest.raises(UsageError, match="labels: got"):
            metric.score(others, wrong)
    with pytest.raises(UsageError, match=r"n_neighbors: got 2\.5"):
        metric.kneighbors(others, 2.5)


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
        (None, [0], "got NoneType"),
        ("words", [0], "got str"),
        (["word"], [0], "signature 0: no array of numbers"),
        ([[np.ones((2, 2)), np.ones(2)]], [0], "signature 0: no array of numbers"),
        ([1e30 * np.eye(2, dtype=np.float32)] * 12, [0, 1] * 6, "overflow"),
        (Signatures(torch.full((4, 2, 2), torch.nan), torch.full((4, 2), 0.5)), [0, 0, 1, 1], "not finite"),
        (Signatures(torch.ones(4, 2, 2), torch.ones(4, 2)), [0, 0, 1, 1], "sum to 1"),
        (Signatures(torch.ones(4, 2, 2), torch.ones(4, 3)), [0, 0, 1, 1], r"weights \[4, 3\]"),
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
    for wrong, settings, said in (
        (np.zeros((1, 6, 6)), {}, "no ink"),
        (np.full((1, 6, 6), np.nan), {}, "not finite"),
        (images, {"size": 0}, "got 0, 12"),
    ):
        with pytest.raises(UsageError, match=said):
            ink_patches(wrong, **settings)


def test_places_of_maps():
    maps = torch.rand(2, 3, 4, 5)
    found = of_maps(maps)
    assert found.points.shape == (2, 20, 3)
    torch.testing.assert_close(found.means(), maps.mean((2, 3)))
    heavy = of_maps(maps, energy=True).weights
    torch.testing.assert_close(heavy, maps.flatten(2).sum(1) / maps.sum((1, 2, 3))[:, None])
    for wrong in (torch.zeros(1, 3, 2, 2), torch.tensor([[[[1.0, -0.5]]]])):
        with pytest.raises(UsageError, match="not finite, or negative"):
            of_maps(wrong, energy=True)


def test_clusters_have_shares():
    frames = np.concatenate([np.zeros((3, 2)), np.ones((1, 2))])
    found = clustered([frames, frames[:2]], 2)
    assert sorted(found.weights[0].tolist()) == [0.25, 0.75]
    assert found.weights[1].tolist() == [1, 0]
    torch.testing.assert_close(found.means()[0], torch.full((2,), 0.25))
    for wrong, clusters, said in ((frames * np.nan, 2, "set 0"), (frames[:0], 2, "set 0"), (frames, 0, "got 0")):
        with pytest.raises(UsageError, match=said):
            clustered([wrong], clusters)


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
    images = np.random.default_rng(0).random((6, 32, 32))
    images[5] = 0
    some = textures(images, 4, np.arange(5)).points
    torch.testing.assert_close(some[:5].mean(0), torch.zeros(2, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(some[:5], textures(images[:5], 4).points, msg="the sixth is not learnt from")


def test_stripes_are_colours_from_head_to_foot():
    """Red above, blue below: Pillow's hues 0 and 170, in bins 0 and 5 of 8."""
    image = np.zeros((1, 12, 4, 3), np.uint8)
    image[:, :6, :, 0] = image[:, 6:, :, 2] = 255
    found = stripes(image, count=2).reshape(2, 3, 8)
    assert found.argmax(2).tolist() == [[0, 7, 7], [5, 7, 7]]
    assert bool((found.sum(2) == 1).all())
