"""The paper's own data sets, where a user has them: its Tables 1 and 2 and Figures 5 and 7.

    python polar_plugins/ground_metric/benchmarks/published.py prid|ilids|kinship|traffic FOLDER [--splits 5]
                                                              [--json FILE]

FOLDER is laid out as the set is published, see `polarprior_ground_metric.published`. None of these figures has been
measured here. Persons are described by colours in stripes in place of the paper's LOMO features, of which there is no
maintained implementation.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from digits_and_videos import CLUSTERS
from PIL import Image
from polarprior.plugin import ending_the_script
from polarprior_benchmarks.kept_runs import interval
from polarprior_benchmarks.reporting import Report
from polarprior_ground_metric.distances import debiased
from polarprior_ground_metric.images import clustered, reduction, stripes, textures
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.protocols import equal_error_rate
from polarprior_ground_metric.published import RELATIONS, Track, ilids_vid, kinface_w, prid_2011, traffic
from polarprior_ground_metric.signatures import Signatures
from rivals import COMPONENTS, exact_pairs, maps
from runs import accuracies, match_rates
from settings import SEEDS
from tqdm import tqdm

PERSON_COMPONENTS, FACE_COMPONENTS = 100, 100
"""Components that PCA leaves, as in the paper."""
PAPER_RANKS = {"prid": "PUR 46.58, rank 1 43.80, 78.20, 85.60", "ilids": "PUR 43.18, rank 1 35.47, 79.60, 90.93"}
"""Its Tables 1 and 2, in percent."""


def persons(tracks: list[Track], splits: int, report: Report, theirs: str) -> None:
    """Half of the persons that both cameras saw to learn from; the others of camera 0 are looked up among all of
    camera 1 that were not."""
    features = [stripes(_pixels(each.frames)) for each in tqdm(tracks, desc="frames")]
    both = sorted({each.person for each in tracks if each.camera == 0} & {t.person for t in tracks if t.camera == 1})
    found = []
    for seed in range(splits):
        learnt = set(np.random.default_rng(seed).permutation(both)[: len(both) // 2].tolist())
        train = [row for row, each in enumerate(tracks) if each.person in learnt]
        probes = [r for r, t in enumerate(tracks) if t.camera == 0 and t.person in set(both) - learnt]
        gallery = [r for r, t in enumerate(tracks) if t.camera == 1 and t.person not in learnt]
        frames = torch.cat([features[row] for row in train])
        to_few = reduction(frames, min(PERSON_COMPONENTS, *frames.shape))
        sets = [
            clustered([features[row] @ to_few.T for row in rows], CLUSTERS, seed) for rows in (train, probes, gallery)
        ]
        who = [np.array([tracks[row].person for row in rows]) for rows in (train, probes, gallery)]
        matched = match_rates(sets[0], who[0], sets[1], who[1], sets[2], who[2], seed, False, PERSON_COMPONENTS)
        found.append(matched["accuracy"])
    _tell(found, report, f"the paper's, learnt: {theirs}")


def kinship(folder: Path, splits: int, report: Report) -> None:
    """1 - EER of each relation over the five folds that come with the set, or the first of them: the paper's Figure
    5."""
    for relation in RELATIONS:
        pairs = kinface_w(folder, relation)
        grey = [_pixels(files, "L") / 255 for files in (pairs.first, pairs.second)]
        found = []
        for fold in sorted(set(pairs.folds))[:splits]:
            both = textures(np.concatenate(grey), FACE_COMPONENTS, np.tile(pairs.folds != fold, 2))
            first, second = both[: len(pairs.first)], both[len(pairs.first) :]
            rows = (pairs.folds != fold) & pairs.related
            count, test = int(rows.sum()), torch.from_numpy(pairs.folds == fold)
            train = Signatures(torch.cat([s.points[rows] for s in (first, second)]), torch.full((2 * count, 2), 0.5))
            y = np.tile(np.arange(count), 2)
            distances = _of_pairs(train, y, first[test], second[test])
            same = pairs.related[pairs.folds == fold]
            found.append({name: 1 - equal_error_rate(each, same) for name, each in distances.items()})
        _tell(found, report, f"1 - EER, {relation}")


def _of_pairs(train: Signatures, y: np.ndarray, p: Signatures, q: Signatures) -> dict[str, np.ndarray]:
    """Distances of p_i and q_i by every method."""
    x, one, other = (each.points.flatten(1).numpy() for each in (train, p, q))
    found = {
        name: np.linalg.norm(move(one) - move(other), axis=1)
        for name, move in maps(x, y, 1, 0).items()
        if name in ("Euclidean", "Mahalanobis", "KISSME")
    }
    found["exact EMD"] = exact_pairs(p, q)
    for name, changes in (("W, M = I", {"rounds": 0}), ("W, learnt", {})):
        metric = MultiLevelMetric(1, new_classes=True, **changes).fit(train, y)
        found[name] = debiased(metric.transform(p), metric.transform(q), metric.gamma_).numpy()
    return found


def videos(folder: Path, splits: int, report: Report) -> None:
    """Accuracy over the four splits that come with the set, or the first of them: the paper's Figure 7."""
    data = traffic(folder)
    frames = [torch.from_numpy(each.reshape(len(each), -1)) for each in data.frames]
    found = []
    for train, test in data.splits[:splits]:
        to_few = reduction(torch.cat([frames[row] for row in train]), COMPONENTS)
        p, q = (clustered([frames[row] @ to_few.T for row in rows], CLUSTERS) for rows in (train, test))
        y, truth = data.labels[train], data.labels[test]
        x, others = (np.stack([_mean_frame(data.frames[row]) for row in rows]) for rows in (train, test))
        found.append(accuracies(x, others, p, q, y, truth, 0, 1, False)["accuracy"])
    _tell(found, report, "accuracy")


def _mean_frame(frames: np.ndarray) -> np.ndarray:
    """A clip [n, H, W] as methods of vectors take it: its mean frame [H W], with mean 0 and variance 1 over pixels.

    The paper takes a clip less its mean image for them, with unit variance, and does not say what vector that gives.
    """
    mean = frames.mean(0).ravel()
    return (mean - mean.mean()) / max(float(mean.std()), 1e-6)


def _pixels(files: list[Path], mode: str = "RGB") -> np.ndarray:
    """Pictures of one size."""
    return np.stack([np.asarray(Image.open(each).convert(mode)) for each in files])


def _tell(found: list[dict[str, float]], report: Report, detail: str) -> None:
    for name in found[0]:
        mean, half = interval([each[name] for each in found])
        report.add(name, mean, detail=f"± {half:.3f} (95%), {len(found)} splits; {detail}")


EXPERIMENTS: dict[str, Callable[[Path, int, Report], None]] = {
    "prid": lambda folder, splits, report: persons(prid_2011(folder), splits, report, PAPER_RANKS["prid"]),
    "ilids": lambda folder, splits, report: persons(ilids_vid(folder), splits, report, PAPER_RANKS["ilids"]),
    "kinship": kinship,
    "traffic": videos,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=EXPERIMENTS)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--splits", type=int, default=len(SEEDS), help="Splits of a data set, at most; the paper has five."
    )
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    told = Report()
    with ending_the_script():
        EXPERIMENTS[asked.name](asked.folder, asked.splits, told)
    told.write(asked.json, Path(__file__).parent, threads=1)
