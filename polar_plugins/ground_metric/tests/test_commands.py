"""``polarprior ground-metric``: a user's own signatures, from an .npz and from pictures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from polarprior.testing import main
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.metric_file import MetricFile
from polarprior_ground_metric.signature_files import read_signatures

FEW = 12
"""Signatures of a class."""


def drawn(seed, classes=3, few=FEW):
    """Sets of 2 to 4 points, whose first number tells the classes apart, and whose others are noise."""
    stream = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), few)
    sizes = stream.integers(2, 5, len(labels))
    points = stream.normal(0, 1, (sizes.sum(), 4)) * [0.2, 2, 2, 2]
    points[:, 0] += labels.repeat(sizes)
    return {"points": points.astype(np.float32), "sizes": sizes, "labels": labels}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An .npz to learn from and another, a metric of the first, and one for classes to come."""
    folder = tmp_path_factory.mktemp("signatures")
    np.savez(folder / "known.npz", **drawn(0))
    np.savez_compressed(folder / "others.npz", **drawn(1))
    np.savez(folder / "persons.npz", **drawn(2, 8, 3))
    assert main(["ground-metric", "fit", str(folder / "known.npz"), "--out", str(folder / "metric")]) == 0
    words = ["fit", str(folder / "persons.npz"), "--out", str(folder / "of-persons"), "--new-classes"]
    assert main(["ground-metric", *words]) == 0
    return folder


def figures(capsys, *words):
    assert main(["ground-metric", "evaluate", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["figures"]


def test_neighbours_are_those_of_the_metric_itself(folder, capsys):
    found = figures(capsys, folder / "metric", folder / "others.npz", "--protocol", "knn")
    metric, others = MetricFile.open(folder / "metric").metric, read_signatures(folder / "others.npz")
    assert found["learnt"]["accuracy"] == metric.score(others.signatures, others.labels)
    assert found["learnt"]["accuracy"] > found["M = I"]["accuracy"] + 0.2, "noise hides the classes from M = I"


def test_matches_and_pairs_of_persons_that_were_not_learnt_from(folder, capsys):
    gallery = ("--gallery", folder / "known.npz")
    found = figures(capsys, folder / "of-persons", folder / "others.npz", "--protocol", "cmc", *gallery)
    assert found["learnt"]["rank 1"] > found["M = I"]["rank 1"]
    assert found["learnt"]["rank 1"] <= found["learnt"]["rank 20"] <= 1
    assert found["M = I"]["PUR"] < found["learnt"]["PUR"] <= 1
    with_gallery = figures(capsys, folder / "of-persons", folder / "others.npz", "--protocol", "eer", *gallery)
    alone = figures(capsys, folder / "of-persons", folder / "others.npz", "--protocol", "eer")
    for row, of_one, of_two in (
        (with_gallery, 3 * FEW**2, 6 * FEW**2),
        (alone, 3 * FEW * (FEW - 1) // 2, 3 * FEW**2),
    ):
        assert row["learnt"]["EER"] < row["M = I"]["EER"]
        assert (row["learnt"]["pairs of one label"], row["learnt"]["pairs of two"]) == (of_one, of_two)


def test_weights_count_and_words_are_labels(tmp_path):
    points, weights = np.random.default_rng(0).normal(0, 1, (6, 3, 2)), np.full((6, 3), 2.0)
    weights[:, 2] = 0
    labels = np.array(["cat", "dog"] * 3)
    np.savez(tmp_path / "a.npz", points=points, weights=weights, labels=labels)
    found = read_signatures(tmp_path / "a.npz")
    assert found.signatures.shape == (6, 2, 2)
    assert found.signatures.weights.unique().tolist() == [0.5]
    assert found.labels.tolist() == labels.tolist()
    sizes = np.full(6, 3)
    np.savez(tmp_path / "b.npz", points=points.reshape(18, 2), sizes=sizes, weights=weights.ravel(), labels=labels)
    flat = read_signatures(tmp_path / "b.npz").signatures
    assert torch.equal(flat.points, found.signatures.points)
    assert torch.equal(flat.weights, found.signatures.weights)


@pytest.mark.parametrize("described", ["patches", "stripes"])
def test_pictures_in_a_folder_a_class(tmp_path, capsys, described):
    stream = np.random.default_rng(0)
    for part in ("known", "others"):
        for name, row in (("above", 2), ("below", 9)):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(6):
                pixels = stream.integers(0, 20, (12, 6, 3)).astype(np.uint8)
                pixels[row : row + 2] += stream.integers(100, 200, (2, 6, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{index}.png")
    words = ["fit", str(tmp_path / "known"), "--points", described, "--out", str(tmp_path / "m"), "--neighbours", "1"]
    assert main(["ground-metric", *words]) == 0
    assert "next: polarprior ground-metric evaluate" in capsys.readouterr().out
    assert figures(capsys, tmp_path / "m", tmp_path / "others", "--protocol", "knn")["learnt"]["accuracy"] == 1
    Image.new("RGB", (6, 6)).save(tmp_path / "others" / "above" / "square.png")
    assert (
        main(["ground-metric", "evaluate", str(tmp_path / "m"), str(tmp_path / "others"), "--protocol", "knn"]) == 2
    )
    assert "square.png" in capsys.readouterr().err


WHOLE = {"points": np.ones((4, 2, 3)), "labels": np.array([0, 0, 1, 1])}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"points": np.ones((4, 3))}, r"points [4, 3], expected points [n, m, d], or points [p, d] with sizes"),
        ({"points": np.ones((4, 2, 3)), "sizes": np.ones(4, int)}, "points [4, 2, 3], sizes [4], expected"),
        ({"points": np.ones((4, 3)), "sizes": np.array([1, 1, 1, 2])}, "the sum 4, of all points"),
        ({"points": np.ones((4, 3)), "sizes": np.array([1, 1, 0, 2])}, "no whole numbers above 0"),
        ({"weights": np.ones((4, 3))}, "weights [4, 3], expected [4, 2]"),
        ({"labels": np.zeros(3, int)}, "labels int64 [3], expected [4]"),
        ({"labels": np.zeros(4)}, "labels float64 [4]"),
        ({"labels": None}, "has no array labels, but points"),
        ({"labels": np.array([{}] * 4)}, "holds no signatures"),
        ({"points": np.full((4, 2, 3), np.nan)}, "not finite"),
    ],
)
def test_arrays_that_are_no_signatures(tmp_path, capsys, change, said):
    arrays = {name: each for name, each in {**WHOLE, **change}.items() if each is not None}
    np.savez(tmp_path / "a.npz", **arrays)
    assert main(["ground-metric", "fit", str(tmp_path / "a.npz"), "--out", str(tmp_path / "m")]) in (1, 2)
    told = capsys.readouterr().err
    assert said in told
    assert "\nhint: " in told
    assert not (tmp_path / "m.safetensors").exists()


def test_files_that_hold_something_else(folder, tmp_path, capsys):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "alone").mkdir()
    for index in range(3):
        Image.new("RGB", (4, 4)).save(tmp_path / "alone" / f"{index}.png")
    np.savez(tmp_path / "words.npz", points=np.ones((4, 2, 4)), labels=np.array(["a", "b", "a", "b"]))
    np.savez(tmp_path / "wide.npz", points=np.ones((4, 2, 7)), labels=np.arange(4))
    for words, said in (
        (["fit", tmp_path / "a.npz", "--out", tmp_path / "m"], "holds no signatures"),
        (["fit", tmp_path / "none.npz", "--out", tmp_path / "m"], "no such file"),
        (["fit", folder / "known.npz", "--points", "patches", "--out", tmp_path / "m"], "holds signatures"),
        (["fit", tmp_path / "alone", "--points", "patches", "--out", tmp_path / "m"], "has no labels"),
        (
            ["evaluate", folder / "metric", tmp_path / "wide.npz", "--protocol", "knn"],
            "points of 7 numbers, expected 4",
        ),
        (["evaluate", folder / "known.npz", folder / "others.npz", "--protocol", "knn"], "holds no ground metric"),
        (["evaluate", folder / "metric", folder / "persons.npz", "--protocol", "cmc"], "is not in the gallery"),
        (
            ["evaluate", folder / "metric", tmp_path / "words.npz", "--protocol", "knn"],
            "none of its labels, such as a,",
        ),
        (["evaluate", folder / "metric", tmp_path / "alone", "--protocol", "knn"], "was learnt from an .npz"),
    ):
        assert main(["ground-metric", *map(str, words)]) in (1, 2)
        assert said in capsys.readouterr().err


def test_a_file_whose_problems_are_too_hard_is_warned_of(folder, tmp_path, capsys):
    hard = MetricFile.open(folder / "metric")
    hard.metric.gamma_ *= 1e-9
    hard.save(tmp_path / "hard")
    words = ["ground-metric", "evaluate", str(tmp_path / "hard"), str(folder / "others.npz"), "--protocol", "knn"]
    assert main(words) == 0
    problems = 2 * (3 * FEW) ** 2
    assert f"{problems} of {problems} problems could not be solved to their tolerance" in capsys.readouterr().err


def test_a_file_keeps_how_much_was_unsolved_and_not_where_it_ran(folder):
    found = MetricFile.open(folder / "metric").metric
    assert found.unsolved_ == 0
    assert found.device == "cpu"
    assert np.isnan(MultiLevelMetric().given(*[None] * 8).unsolved_)
