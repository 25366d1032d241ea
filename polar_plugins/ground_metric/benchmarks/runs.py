"""A learnt ground metric beside metrics of vectors and plain transport, and its speed beside POT's one by one.

    python polar_plugins/ground_metric/benchmarks/runs.py [--quick] [--full] [--json FILE]
                                                         [--only images,videos,transport,time,faces]

The paper is Xu et al., *Multi-Level Metric Learning via Smoothed Wasserstein Distance* (IJCAI 2018). Every run is
kept in ``results/runs.json`` as soon as it is done; --full makes those that are missing. Without --full the runs
that are there are told; --quick makes tiny ones and keeps nothing. Its data sets can't be had here: for those that a
user has, see `published.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from digits_and_videos import SETS, TEST, TRAIN, of_videos, samples, signatures, source, videos_of
from polarprior_benchmarks.kept_runs import Parts, Runs, interval, main
from polarprior_benchmarks.reporting import Report
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.protocols import (
    equal_error_rate,
    match_curve,
    neighbour_accuracy,
    receiver_curve,
    uncertainty_removed,
)
from polarprior_ground_metric.signatures import Signatures
from rivals import COMPONENTS, exact_distances, maps, svm
from settings import NEIGHBOURS, OF_ALL, OF_CLASSES, SEEDS
from sklearn.neighbors import KNeighborsClassifier
from solver import speed, transport

KEPT = Path(__file__).parent / "results" / "runs.json"
PERSONS = 150
RANKS = (1, 10, 20)
SHOWN_RANKS, ACCEPTED = 50, np.linspace(0, 1, 101)
"""Points of the curves that are kept: ranks of CMC, and shares of false acceptance of ROC."""


def compared(name: str, shifted: bool, seed: int, quick: bool) -> dict[str, Any]:
    """k-NN accuracy of every method on one set."""
    (train, y), (test, truth) = samples(name, shifted, seed, quick)
    x, others = (each.reshape(len(each), -1) for each in (train, test))
    return accuracies(x, others, *signatures(name, train, test), y, truth, seed, NEIGHBOURS, quick)


def accuracies(
    x: np.ndarray,
    others: np.ndarray,
    train: Signatures,
    test: Signatures,
    y: np.ndarray,
    truth: np.ndarray,
    seed: int,
    neighbours: int,
    quick: bool,
) -> dict[str, Any]:
    """Judge vectors x [n, D] and signatures of classes y [n] on others [m, D], of classes `truth` [m]."""
    found = {
        method: float(KNeighborsClassifier(neighbours).fit(move(x), y).score(move(others), truth))
        for method, move in maps(x, y, neighbours, seed).items()
    }
    found["SVM"] = float(svm(x, y).score(others, truth))
    found["exact EMD"] = neighbour_accuracy(exact_distances(test, train), truth, y, neighbours)
    metrics, seconds = {}, {}
    for method, changes in (
        ("W, M = I", {"rounds": 0, "rho_t": ()}),
        ("W, learnt, multi-level", {"rho_0": OF_ALL, "rho_t": OF_CLASSES}),
        ("W, learnt", {"rho_0": OF_ALL, "rho_t": ()}),
    ):
        if method == "W, learnt" and not metrics["W, learnt, multi-level"].levels_.own.any():
            found[method] = found["W, learnt, multi-level"]  # where no class has a matrix, that is what it is
            continue
        metrics[method] = MultiLevelMetric(neighbours, seed=seed, **({"rounds": 1} if quick else {}) | changes)
        began = time.process_time()
        metrics[method].fit(train, y)
        seconds[method] = round(time.process_time() - began, 1)
        found[method] = metrics[method].score(test, truth)
    levelled = metrics["W, learnt, multi-level"]
    tried = [[each.rho_0, each.rho_t, round(each.accuracy, 4)] for each in levelled.tried_]
    own = bool(levelled.levels_.own.any())
    rounded = {method: round(each, 4) for method, each in found.items()}
    return {"accuracy": rounded, "cpu_seconds": seconds, "tried": tried, "matrices_of_classes": own}


def images(runs: Runs, report: Report) -> None:
    """Digits and MNIST, aligned and shifted."""
    for name in SETS:
        for shifted in (False, True):
            what = f"{name}, {'shifted' if shifted else 'aligned'}"
            found = of_seeds(runs, report, what, lambda s, n=name, m=shifted: compared(n, m, s, runs.quick))
            if found:
                _goals(found, report, what)


def of_seeds(
    runs: Runs, report: Report, what: str, make: Callable[[int], dict[str, Any]]
) -> list[dict[str, float]] | None:
    """Accuracies of each seed, told as means with their 95% intervals; None where there are none."""
    made = runs.over(SEEDS, lambda seed: f"{what}, seed {seed}", make)
    if not made:
        report.add(what, "not run", detail="--full")
        return None
    found: list[dict[str, float]] = [each["accuracy"] for each in made]
    for method in found[0]:
        mean, half = interval([each[method] for each in found])
        report.add(f"{what}: {method}", mean, detail=f"± {half:.3f} (95%), {len(found)} seeds")
    if "matrices_of_classes" in made[0]:
        kept = sum(each["matrices_of_classes"] for each in made)
        report.add(f"{what}: runs that keep matrices of classes", kept, detail=f"of {len(made)}")
        slowest = max(each["cpu_seconds"]["W, learnt, multi-level"] for each in made)
        report.add(f"{what}: CPU seconds of the slowest fit", slowest, "s")
    return found


def _goals(found: list[dict[str, float]], report: Report, what: str) -> None:
    gain, half = interval([each["W, learnt"] - each["W, M = I"] for each in found])
    worst = min(each["W, learnt"] - each["Euclidean"] for each in found)
    goals = what == "digits, shifted"
    of = f"± {half:.3f} (95%)"
    report.add(f"{what}: learnt less M = I", gain, "", ">= 0.02" * goals, gain >= 0.02 if goals else None, of)
    of = "the worst seed"
    report.add(f"{what}: learnt less Euclidean", worst, "", ">= 0.20" * goals, worst >= 0.2 if goals else None, of)
    less, half = interval([each["W, learnt, multi-level"] - each["W, learnt"] for each in found])
    holds = less >= -half if len(found) > 1 else None
    report.add(f"{what}: multi-level less learnt", less, "", ">= -interval", holds, f"± {half:.3f} (95%)")


def classified(seed: int, quick: bool) -> dict[str, Any]:
    """Videos of digits by their class, the paper's section 4.3: nearest neighbours of signatures, and of their means
    where a method takes vectors."""
    stream, labels = np.random.default_rng(seed), source("mnist")[1]
    train, test = (100, 30) if quick else (TRAIN, TEST)
    rows = stream.permutation(len(labels))[: train + test]
    made = videos_of(rows, (0,), stream)
    p, q = of_videos(made[:train], made[train:], seed)
    y, truth = labels[rows[:train]], labels[rows[train:]]
    return accuracies(p.means().numpy(), q.means().numpy(), p, q, y, truth, seed, 1, quick)


def matched(seed: int, quick: bool) -> dict[str, Any]:
    """Videos of one digit by two cameras, the paper's section 4.1: digits that no training saw, looked up by what
    camera 0 has seen among what camera 1 has."""
    stream, count = np.random.default_rng(seed), 16 if quick else PERSONS
    rows = stream.permutation(len(source("mnist")[1]))[: 2 * count]
    y = np.arange(count).repeat(2)
    p, q = of_videos(videos_of(rows[:count], (0, 1), stream), videos_of(rows[count:], (0, 1), stream), seed)
    who = np.arange(count)
    return match_rates(p, y, q[::2], who, q[1::2], who, seed, quick)


def match_rates(
    train: Signatures,
    y: np.ndarray,
    probes: Signatures,
    of_probes: np.ndarray,
    gallery: Signatures,
    of_gallery: np.ndarray,
    seed: int,
    quick: bool,
    components: int = COMPONENTS,
) -> dict[str, Any]:
    """PUR, CMC and ROC of probes in a gallery, by methods that learn from others: from means where they take
    vectors. The ROC is that of all pairs of a probe and one of the gallery."""
    x, one, other = (each.means().numpy() for each in (train, probes, gallery))
    distances = {
        method: np.linalg.norm(move(one)[:, None] - move(other), axis=2)
        for method, move in maps(x, y, 1, seed, components).items()
    }
    distances["exact EMD"] = exact_distances(probes, gallery)
    for method, changes in (("W, M = I", {"rounds": 0}), ("W, learnt", {"rounds": 1} if quick else {})):
        metric = MultiLevelMetric(1, new_classes=True, seed=seed, **changes).fit(train, y)
        distances[method] = metric.distances(probes, gallery).numpy()
    accuracy, curves = {}, {}
    for method, each in distances.items():
        curve = match_curve(each, of_probes, of_gallery)
        accuracy[f"{method}: PUR"] = round(uncertainty_removed(curve), 4)
        accuracy |= {f"{method}: rank {rank}": round(float(curve[min(rank, len(curve)) - 1]), 4) for rank in RANKS}
        same = (of_probes[:, None] == of_gallery).ravel()
        accepted, true = receiver_curve(each.ravel(), same)
        accuracy[f"{method}: 1 - EER"] = round(1 - equal_error_rate(each.ravel(), same), 4)
        curves[method] = {
            "cmc": np.round(curve[:SHOWN_RANKS], 3).tolist(),
            "roc": np.interp(ACCEPTED, accepted, true).round(3).tolist(),
        }
    return {"accuracy": accuracy, "curves": curves}


def videos(runs: Runs, report: Report) -> None:
    """A moving digit as one signature: its class, and itself seen by another camera."""
    of_seeds(runs, report, "videos, class", lambda seed: classified(seed, runs.quick))
    of_seeds(runs, report, "videos, CMC", lambda seed: matched(seed, runs.quick))


def faces(runs: Runs, report: Report) -> None:
    """Polarity of the face generator in a metric learnt on EfficientNet's features."""
    from faces import ranked, tell

    tell(runs("faces", lambda: ranked(runs.quick)), report)


PARTS: Parts = {"images": images, "videos": videos, "transport": transport, "time": speed, "faces": faces}

if __name__ == "__main__":
    main(str(__doc__), KEPT, PARTS)
