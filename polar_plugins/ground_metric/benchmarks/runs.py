"""A learnt ground metric beside metrics of vectors and plain transport, and its speed beside POT's one by one.

    python polar_plugins/ground_metric/benchmarks/runs.py [--quick] [--full] [--json FILE]
                                                         [--only images,videos,transport,time,faces]

The paper is Xu et al., *Multi-Level Metric Learning via Smoothed Wasserstein Distance* (IJCAI 2018). Every run is
kept in ``results/runs.json`` as soon as it is done; --full makes those that are missing. Without --full the runs
that are there are told; --quick makes tiny ones and keeps nothing. Its data sets can't be had here: for those that a
user has, see `published.py`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import ot
import torch
from polarprior_benchmarks.kept_runs import Parts, Runs, interval, main
from polarprior_benchmarks.reporting import Report
from polarprior_ground_metric.distances import TOLERANCE, ground_costs, solve
from polarprior_ground_metric.images import clustered, ink_patches, reduction
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.protocols import (
    equal_error_rate,
    match_curve,
    neighbour_accuracy,
    receiver_curve,
    uncertainty_removed,
)
from polarprior_ground_metric.signatures import Signatures
from rivals import COMPONENTS, alone_of, exact_distances, maps, svm
from scipy.special import entr
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import avg_pool2d

sys.path.append(str(Path(__file__).parents[3] / "benchmarks" / "paper"))  # last: its `rivals` is another one
from data import digits as mnist

KEPT = Path(__file__).parent / "results" / "runs.json"
SEEDS = range(5)
NEIGHBOURS = 3
TRAIN, TEST = 500, 300
OF_ALL, OF_CLASSES = (1.0, 100.0), (0.1, 100.0)
"""Candidates for rho_0 and rho_t: the paper's 1 and 1 / C, and where they begin to tell."""
SETS = {"digits": (2, {"size": 3, "most": 12}), "mnist": (4, {"size": 5, "most": 16})}
"""How far images are shifted, in pixels, and their patches."""
PATCH_COMPONENTS = 10
"""Components that PCA leaves of a patch of MNIST's 25 pixels."""
FRAMES, FIELD, CLUSTERS = (42, 52), 40, 8
"""Frames of a video, as in the paper's section 4.3; pixels a side; points of its signature."""
PERSONS = 150
RANKS = (1, 10, 20)
SHOWN_RANKS, ACCEPTED = 50, np.linspace(0, 1, 101)
"""Of the curves that are kept: ranks of CMC, and shares of false acceptance of ROC."""
PROBLEMS, MOST_SCALINGS = 500, 100_000
COMPARED = 400
"""Pairs a seed whose distances under a learnt metric are compared with POT's."""
CLOSE, EXACT = 1e-3, 1e-6
"""How near to POT's distances ours are to be, and POT's own tolerance there."""

Part = tuple[np.ndarray, np.ndarray]
"""Images [n, H, W] in [0, 1] and labels [n]."""


@cache
def source(name: str) -> Part:
    """All images of a data set, 0 for paper and 1 for ink."""
    if name == "digits":
        found = load_digits()
        return (found.images / 16).astype(np.float32), found.target
    pixels, labels = mnist("train")
    return pixels.astype(np.float32) / 255, labels


def samples(name: str, shifted: bool, seed: int, quick: bool) -> tuple[Part, Part]:
    """Training and test images, each moved by itself where `shifted`; MNIST's halved in size."""
    images, labels = source(name)
    stream, reach = np.random.default_rng(seed), SETS[name][0] if shifted else 0
    train, test = (100, 30) if quick else (TRAIN, TEST)
    rows = stream.permutation(len(images))[: train + test]
    height, width = images.shape[1:]
    moved = np.zeros((len(rows), height + 2 * reach, width + 2 * reach), np.float32)
    for place, row in zip(moved, rows, strict=True):
        down, across = stream.integers(0, 2 * reach + 1, 2)
        place[down : down + height, across : across + width] = images[row]
    if name == "mnist":
        moved = avg_pool2d(torch.from_numpy(moved)[:, None], 2)[:, 0].numpy()
    found = labels[rows]
    return (moved[:train], found[:train]), (moved[train:], found[train:])


def signatures(name: str, train: np.ndarray, test: np.ndarray) -> tuple[Signatures, Signatures]:
    """Patches with their places; those of MNIST after a PCA of the training set's."""
    found = ink_patches(train, **SETS[name][1]), ink_patches(test, **SETS[name][1])
    if name == "digits":
        return found
    to_few = reduction(found[0].points[..., :-2].flatten(0, 1), PATCH_COMPONENTS)

    def reduced(each: Signatures) -> Signatures:
        patches, places = each.points[..., :-2], each.points[..., -2:]
        return Signatures(torch.cat([patches @ to_few.T, places], 2), each.weights)

    return reduced(found[0]), reduced(found[1])


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


def _seeds(runs: Runs) -> range:
    return SEEDS[:1] if runs.quick else SEEDS


def of_seeds(
    runs: Runs, report: Report, what: str, make: Callable[[int], dict[str, Any]]
) -> list[dict[str, float]] | None:
    """Accuracies of each seed, told as means with their 95% intervals; None where there are none."""
    made = [runs(f"{what}, seed {seed}", lambda s=seed: make(s)) for seed in _seeds(runs)]
    made = [each for each in made if each is not None]
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


def film(image: np.ndarray, camera: int, stream: np.random.Generator) -> np.ndarray:
    """A digit on its way through a field, thrown back by its edges: [frames, FIELD / 2, FIELD / 2]. Camera 1 sees it
    darker, blurred and with noise."""
    count = int(stream.integers(FRAMES[0], FRAMES[1] + 1))
    room = FIELD - image.shape[0]
    at, speed = stream.uniform(0, room, 2), stream.uniform(-2, 2, 2)
    frames = np.zeros((count, FIELD, FIELD), np.float32)
    for frame in frames:
        speed = np.where((at + speed < 0) | (at + speed > room), -speed, speed)
        at = at + speed
        down, across = at.round().astype(int)
        frame[down : down + len(image), across : across + len(image)] = image
    seen = torch.from_numpy(frames)[:, None]
    if camera:
        seen = 0.7 * avg_pool2d(seen, 3, 1, 1) + 0.05 * torch.from_numpy(
            stream.standard_normal(seen.shape).astype(np.float32)
        )
    return avg_pool2d(seen, 2)[:, 0].numpy()


def videos_of(rows: np.ndarray, cameras: tuple[int, ...], stream: np.random.Generator) -> list[np.ndarray]:
    """A video of each image by each camera, [frames, D] each."""
    pictures = source("mnist")[0]
    films = [film(pictures[row], camera, stream) for row in rows for camera in cameras]
    return [each.reshape(len(each), -1) for each in films]


def of_videos(train: list[np.ndarray], test: list[np.ndarray], seed: int) -> tuple[Signatures, Signatures]:
    """Each video's clusters of frames, after a PCA of the training set's."""
    to_few = reduction(torch.from_numpy(np.concatenate(train)), COMPONENTS)
    parts = [[torch.from_numpy(each) @ to_few.T for each in part] for part in (train, test)]
    return clustered(parts[0], CLUSTERS, seed), clustered(parts[1], CLUSTERS, seed)


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


def transport(runs: Runs, report: Report) -> None:
    """Distances under a learnt metric beside those of POT's log-domain solver."""
    found = [runs(f"transport, seed {seed}", partial(_exactness, seed, runs.quick)) for seed in _seeds(runs)]
    made = [each for each in found if each is not None]
    if not made:
        report.add("transport", "not run", detail="--full")
        return
    away = np.concatenate([each["away"] for each in made])
    within, worst = float((away <= CLOSE).mean()), f"the furthest is {away.max():.1e} away, of {len(away)}"
    report.add("learnt: distances within 0.001 of POT's", within, "", ">= 0.999", within >= 0.999, worst)
    missed = max(each["unsolved"] for each in made)
    report.add(
        "learnt: problems of a fit that miss their tolerance", missed, "", detail="the largest share of a seed"
    )


def _exactness(seed: int, quick: bool) -> dict[str, Any]:
    """Learn from shifted digits, and compare the distances of some pairs with POT's."""
    metric, given = _learnt(seed, quick)
    pairs = np.random.default_rng(seed).integers(0, len(given), (2, 20 if quick else COMPARED))
    p, q = (given[each] for each in pairs)
    ours = solve(p, q, metric.gamma_).value.double().numpy()
    away = []
    for own, (i, j) in zip(ours, pairs.T, strict=True):
        a, b, cost = _problem(given, i, j)
        limits = {"method": "sinkhorn_log", "stopThr": EXACT, "numItermax": MOST_SCALINGS}
        plan = ot.sinkhorn(a, b, cost, metric.gamma_, **limits)
        away.append(abs(float((plan * cost).sum() - metric.gamma_ * entr(plan).sum()) - float(own)))
    return {"unsolved": metric.unsolved_, "gamma": metric.gamma_, "away": np.round(away, 7).tolist()}


def _learnt(seed: int, quick: bool) -> tuple[MultiLevelMetric, Signatures]:
    """A metric of one matrix, learnt from shifted digits, and these, mapped to where it is Euclidean distance."""
    (train, y), _ = samples("digits", True, seed, quick)
    given = signatures("digits", train, train)[0]
    changes: dict[str, Any] = {"rounds": 1} if quick else {}
    metric = MultiLevelMetric(NEIGHBOURS, seed=seed, rho_0=OF_ALL, rho_t=(), **changes).fit(given, y)
    return metric, metric.transform(given)


def speed(runs: Runs, report: Report) -> None:
    """The same problems at once, as they are when a metric is learnt, and one by one by POT, to the same errors."""
    for where in ("M = I", "learnt"):
        found = runs(f"time, {where}", partial(_times, where == "learnt", runs.quick))
        if found is None:
            report.add(f"time, {where}", "not run", detail="--full")
            continue
        for method in ("sinkhorn", "sinkhorn_log"):
            gain = found[method] / found["ours"]
            goals = (">= 20", gain >= 20) if method == "sinkhorn_log" or where == "M = I" else ("", None)
            detail = (
                f"{found[method] * 1e3:.3f} ms a problem, ours {found['ours'] * 1e3:.4f}; {found['apart'][method]}"
            )
            report.add(f"{where}: time of POT's {method} to ours", gain, "times", *goals, detail)


def _times(learnt: bool, quick: bool) -> dict[str, Any]:
    if learnt:
        metric, given = _learnt(0, quick)
    else:
        (train, _), _ = samples("digits", True, 0, quick)
        given = signatures("digits", train, train)[0]
    pairs = np.random.default_rng(0).integers(0, len(given), (2, 20 if quick else PROBLEMS))
    p, q = (given[each] for each in pairs)
    gamma = metric.gamma_ if learnt else 0.05 * float(ground_costs(p, q).mean())
    alone = [_problem(given, i, j) for i, j in pairs.T]
    times: dict[str, list[float]] = {"ours": [], "sinkhorn": [], "sinkhorn_log": []}
    apart = {}
    for _ in range(3):
        began = time.process_time()
        ours = solve(p, q, gamma).value.numpy()
        times["ours"].append(time.process_time() - began)
        for method in ("sinkhorn", "sinkhorn_log"):
            limits = {"method": method, "stopThr": TOLERANCE, "numItermax": MOST_SCALINGS}
            began = time.process_time()
            plans = [ot.sinkhorn(a, b, cost, gamma, **limits) for a, b, cost in alone]
            times[method].append(time.process_time() - began)
            values = [(f * cost).sum() - gamma * entr(f).sum() for f, (_, _, cost) in zip(plans, alone, strict=True)]
            apart[method] = f"values differ by {np.abs(values - ours).max():.1e} at most"
    each = {method: min(found) / len(alone) for method, found in times.items()}
    return {**each, "apart": apart, "problems": len(alone)}


def _problem(signatures: Signatures, i: int, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of two, and the costs between them."""
    (p, a), (q, b) = alone_of(signatures, i), alone_of(signatures, j)
    return a, b, ot.dist(p, q)


def faces(runs: Runs, report: Report) -> None:
    """Polarity of the face generator in a metric learnt on EfficientNet's features."""
    from faces import ranked, tell

    tell(runs("faces", lambda: ranked(runs.quick)), report)


PARTS: Parts = {"images": images, "videos": videos, "transport": transport, "time": speed, "faces": faces}

if __name__ == "__main__":
    main(str(__doc__), KEPT, PARTS)
