"""What a learnt ground metric is compared with: metrics of vectors, an SVM, and exact transport; run by
`runs.py`."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import ot
from polarprior_ground_metric.signatures import Signatures
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NeighborhoodComponentsAnalysis
from sklearn.svm import SVC

COMPONENTS = 30
LMNN_RATES = (1e-6, 1e-4, 1e-2)
PAIRS = 20_000
"""Pairs of vectors from which KISSME takes its covariances."""

Map = Callable[[np.ndarray], np.ndarray]


def maps(x: np.ndarray, y: np.ndarray, neighbours: int, seed: int, components: int = COMPONENTS) -> dict[str, Map]:
    """Linear maps of vectors x [n, D] of classes y [n], by name: Euclidean distance behind one is what was learnt.

    All but the first come after PCA to as many `components`. The rate of LMNN is chosen on a quarter that is held
    out, where classes are large enough; else it is the middle one.
    """
    pca = PCA(min(components, *x.shape)).fit(x)
    few = pca.transform(x)
    after = {
        "Mahalanobis": np.diag(1 / np.sqrt(pca.explained_variance_)),
        "LMNN": _lmnn(few, y, neighbours, seed),
        "LFDA": _metric_learn().LFDA(n_components=min(9, few.shape[1])).fit(few, y).components_,
        "NCA": NeighborhoodComponentsAnalysis(random_state=seed).fit(few, y).components_,
        "KISSME": _kissme(few, y, seed),
    }
    found: dict[str, Map] = {"Euclidean": lambda each: each}
    for name, linear in after.items():
        if not np.isfinite(linear).all():
            continue  # LFDA on too few vectors
        found[name] = lambda each, m=linear: pca.transform(each) @ m.T  # type: ignore[misc]
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


def _lmnn(x: np.ndarray, y: np.ndarray, neighbours: int, seed: int) -> np.ndarray:
    fewest = int(np.unique(y, return_counts=True)[1].min())
    targets = min(3, fewest - 1)

    def fitted(rate: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        lmnn = _metric_learn().LMNN(n_neighbors=targets, learn_rate=rate, max_iter=200, random_state=seed)
        found: np.ndarray = lmnn.fit(x, y).components_
        return found

    if fewest < 4 * (targets + 1):
        return fitted(LMNN_RATES[1], x, y)
    xa, xb, ya, yb = train_test_split(x, y, test_size=0.25, stratify=y, random_state=seed)

    def accuracy(rate: float) -> float:
        linear = fitted(rate, xa, ya)
        return float(KNeighborsClassifier(neighbours).fit(xa @ linear.T, ya).score(xb @ linear.T, yb))

    return fitted(max(LMNN_RATES, key=accuracy), x, y)


def _kissme(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """L of M = S⁻¹ - D⁻¹, its negative eigenvalues left out, S and D the covariances of differences within classes
    and between them (Köstinger et al. 2012)."""
    noise = np.random.default_rng(seed)
    covariances = []
    for same in (True, False):
        pairs = np.argwhere((y[:, None] == y) == same)
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        i, j = pairs[noise.permutation(len(pairs))[:PAIRS]].T
        away = x[i] - x[j]
        covariances.append(away.T @ away / len(away) + 1e-6 * np.eye(x.shape[1]))
    values, vectors = np.linalg.eigh(np.linalg.inv(covariances[0]) - np.linalg.inv(covariances[1]))
    return (vectors * np.sqrt(values.clip(0))).T


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
