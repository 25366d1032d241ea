"""What a learnt ground metric is compared with: metrics of vectors, an SVM, and exact transport; run by
`runs.py`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from typing import Any

import linear_metrics
import numpy as np
import ot
from polarprior_ground_metric.signatures import Signatures
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.svm import SVC

COMPONENTS = 30
KISSME_COMPONENTS = 65
"""What PCA leaves for KISSME, as in the paper, where it leaves the others more."""
LMNN_RATES = (1e-6, 1e-4, 1e-2)
WEIGHTS, RANKS = (1e-3, 1e-2, 0.1, 1.0), (0.3, 0.7)
"""What is tried for the low-rank penalties of LMNN; a rank is a share of the dimensions, as the paper's 30 to 70 of
100."""

Map = Callable[[np.ndarray], np.ndarray]


def maps(x: np.ndarray, y: np.ndarray, neighbours: int, seed: int, components: int = COMPONENTS) -> dict[str, Map]:
    """Linear maps of vectors x [n, D] of classes y [n], by name: Euclidean distance behind one is what was learnt.

    All but the first come after PCA to as many `components`, as in the paper; KISSME after one to 65 at most, and
    LFDA and MFA, which the paper gives all numbers, after one to as many or to all. Settings are chosen on a quarter
    that is held out, where classes are large enough; else the middle ones are taken.
    """
    pca = PCA(min(len(x) - 1, x.shape[1])).fit(x)
    every = pca.transform(x)
    few = every[:, :components]
    unit = np.sqrt(few.var(0).mean())
    wide = min(components, len(np.unique(y)) - 1)

    def tuned(vectors: np.ndarray, fitted: Callable[..., np.ndarray], settings: Sequence[Any]) -> np.ndarray:
        return _tuned(vectors, y, neighbours, seed, fitted, settings)

    after = {
        "Mahalanobis": np.diag(1 / np.sqrt(pca.explained_variance_[:components])),
        "LMNN": tuned(few, _lmnn, LMNN_RATES),
        "NCA": NeighborhoodComponentsAnalysis(random_state=seed).fit(few, y).components_,
        "KISSME": linear_metrics.simple(few[:, :KISSME_COMPONENTS], y, seed),
        "PCCA": linear_metrics.pairwise(few, y, seed, components),
        "LDML": linear_metrics.pairwise(few, y, seed),
    }
    for name, norm in (("LMNN, capped", "capped"), ("LMNN, Fantope", "fantope")):
        after[name] = tuned(few, partial(_low_rank, norm=norm, unit=unit), tuple(product(WEIGHTS, RANKS)))
    for name, make in (("LFDA", linear_metrics.local_discriminant), ("MFA", linear_metrics.marginal)):
        after[name] = tuned(every, partial(_discriminant, make=make, wide=wide), (few.shape[1], every.shape[1]))
    found: dict[str, Map] = {"Euclidean": lambda each: each}
    for name, linear in after.items():
        found[name] = lambda each, m=linear: pca.transform(each)[:, : m.shape[1]] @ m.T  # type: ignore[misc]
    return found


def svm(x: np.ndarray, y: np.ndarray) -> SVC:
    """With Gaussian kernels, its C chosen by nobody: 10."""
    return SVC(C=10).fit(x, y)


def exact_distances(p: Signatures, q: Signatures) -> np.ndarray:
    """The earth mover's distance, with squared Euclidean ground distances, of each of p and each of q, by POT."""
    found = np.empty((len(p), len(q)))
    stored = [alone_of(q, j) for j in range(len(q))]
    for i in range(len(p)):
        points, weights = alone_of(p, i)
        found[i] = [ot.emd2(weights, shares, ot.dist(points, others)) for others, shares in stored]
    return found


def exact_pairs(p: Signatures, q: Signatures) -> np.ndarray:
    """The same of p_i and q_i, [n]."""
    pairs = [(*alone_of(p, row), *alone_of(q, row)) for row in range(len(p))]
    return np.array([ot.emd2(a, b, ot.dist(points, others)) for points, a, others, b in pairs])


def alone_of(signatures: Signatures, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of one, in float64, as POT takes them."""
    weights = signatures.weights[row].double()
    return signatures.points[row][weights > 0].double().numpy(), (weights[weights > 0] / weights.sum()).numpy()


def _tuned(
    x: np.ndarray,
    y: np.ndarray,
    neighbours: int,
    seed: int,
    fitted: Callable[..., np.ndarray],
    settings: Sequence[Any],
) -> np.ndarray:
    """The map of the setting that does best on a quarter; of the middle one where a class is too small for that.

    Args:
        x, y: vectors [n, d] and their classes [n].
        neighbours: that vote.
        seed: of the quarter, and of what is fitted.
        fitted: takes x, y, how many neighbours of a class are pulled, the seed and a setting.
        settings: what is tried.
    """
    fewest = int(np.unique(y, return_counts=True)[1].min())
    targets = min(3, fewest - 1)
    if fewest < 4 * (targets + 1):
        return fitted(x, y, targets, seed, settings[len(settings) // 2])
    xa, xb, ya, yb = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)

    def accuracy(setting: Any) -> float:
        linear = fitted(xa, ya, targets, seed, setting)
        return float(KNeighborsClassifier(neighbours).fit(xa @ linear.T, ya).score(xb @ linear.T, yb))

    return fitted(x, y, targets, seed, max(settings, key=accuracy))


def _lmnn(x: np.ndarray, y: np.ndarray, targets: int, seed: int, rate: float) -> np.ndarray:
    lmnn = _metric_learn().LMNN(n_neighbors=targets, learn_rate=rate, max_iter=200, random_state=seed)
    found: np.ndarray = lmnn.fit(x, y).components_
    return found


def _low_rank(
    x: np.ndarray, y: np.ndarray, targets: int, seed: int, setting: tuple[float, float], norm: str, unit: float
) -> np.ndarray:
    weight, share = setting
    rank = max(1, round(share * x.shape[1]))
    return linear_metrics.low_rank_neighbours(x / unit, y, targets, norm, weight, rank)


def _discriminant(
    x: np.ndarray, y: np.ndarray, targets: int, seed: int, kept: int, make: Callable[..., np.ndarray], wide: int
) -> np.ndarray:
    """A map [r, d] that is made from the leading `kept` numbers alone, and takes nothing of the others."""
    linear = make(x[:, :kept], y, wide)
    return np.pad(linear, ((0, 0), (0, x.shape[1] - kept)))


def _metric_learn() -> Any:
    """metric-learn 0.7, which passes scikit-learn an argument that has another name since its version 1.8."""
    warnings.filterwarnings("ignore", module="metric_learn")
    import metric_learn
    from metric_learn import _util
    from sklearn.utils import check_array, check_X_y

    def renamed(check: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*args: Any, force_all_finite: Any = True, **kept: Any) -> Any:
            return check(*args, ensure_all_finite=force_all_finite, **kept)

        return checked

    _util.check_array, _util.check_X_y = renamed(check_array), renamed(check_X_y)
    return metric_learn
