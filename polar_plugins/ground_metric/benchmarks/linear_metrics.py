"""Metrics of vectors that a learnt ground metric is compared with, and that no kept library has: linear maps L
[r, d], behind which Euclidean distance is the metric.

`pairwise` is the PCCA of Mignon and Jurie (2012) and the LDML of Guillaumin et al. (2009); `local_discriminant` the
LFDA of Sugiyama (2007), regularised; `marginal` the MFA of Yan et al. (2007); `low_rank_neighbours` LMNN with the
capped trace norm of Huo et al. (2016) or the Fantope norm of Law et al. (2014); `simple` the KISSME of Köstinger et
al. (2012). All take vectors x [n, d], float64, and their classes y [n].
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.metrics import pairwise_distances

PAIRS = 20_000
"""Pairs of one class, and of two, that are learnt from at most."""
RIDGE = 1e-3
"""What is added to a scatter that is divided by, as a share of its mean eigenvalue."""
SCALED_BY = 7
"""The neighbour whose distance scales LFDA's affinities, as Sugiyama has it."""
WITHIN, BETWEEN = 5, 20
"""MFA's neighbours of a class and of others."""
STEPS, MARGIN_STEPS = 200, 100
"""Steps of L-BFGS, and of the subgradient method."""


def simple(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """KISSME: L of M = S⁻¹ - D⁻¹, its negative eigenvalues left out, S and D the covariances of differences within
    classes and between them."""
    covariances = []
    for i, j in pairs(y, seed):
        away = x[i] - x[j]
        covariances.append(away.T @ away / len(away) + 1e-6 * np.eye(x.shape[1]))
    values, vectors = np.linalg.eigh(np.linalg.inv(covariances[0]) - np.linalg.inv(covariances[1]))
    return (vectors * np.sqrt(values.clip(0))).T


def pairwise(x: np.ndarray, y: np.ndarray, seed: int, components: int | None = None) -> np.ndarray:
    """The map that makes the logistic loss of pairs least: log(1 + exp(t (|L (p - q)|² - b))), t = 1 for pairs of a
    class and -1 for others, as many of both counted alike.

    Args:
        x, y: see the top.
        seed: of the pairs, where there are more than `PAIRS` of a kind.
        components: rows of L, with b = 1: PCCA; None for all, and b learnt: LDML.
    """
    rows = x.shape[1] if components is None else min(components, x.shape[1])
    chosen = pairs(y, seed)
    away = np.concatenate([x[i] - x[j] for i, j in chosen])
    sign = np.repeat([1.0, -1.0], [len(i) for i, _ in chosen])
    weight = np.repeat([0.5 / len(i) for i, _ in chosen], [len(i) for i, _ in chosen])
    away /= np.sqrt((away**2).sum(1).mean())  # the starting map has a mean squared distance of 1

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        linear, bias = numbers[:-1].reshape(rows, -1), numbers[-1]
        moved = away @ linear.T
        steep = sign * ((moved**2).sum(1) - bias)
        slopes = weight * sign * expit(steep)
        of_linear = 2 * (slopes[:, None] * moved).T @ away
        of_bias = 0.0 if components else -float(slopes.sum())
        return float(weight @ np.logaddexp(0, steep)), np.append(of_linear.ravel(), of_bias)

    _, _, first = np.linalg.svd(x - x.mean(0), full_matrices=False)
    start = np.zeros((rows, x.shape[1]))
    start[: len(first[:rows])] = first[:rows]
    found = minimize(loss, np.append(start.ravel(), 1.0), jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    linear: np.ndarray = found.x[:-1].reshape(rows, -1)
    return linear


def local_discriminant(x: np.ndarray, y: np.ndarray, components: int) -> np.ndarray:
    """LFDA, whose scatter within classes is regularised: with fewer vectors than numbers it is singular."""
    distances = pairwise_distances(x)
    same = y[:, None] == y
    near = np.sort(np.where(same, distances, np.inf), 1)
    scale = np.array([row[np.isfinite(row)][: SCALED_BY + 1][-1] for row in near])
    affinity = np.exp(-(distances**2) / np.maximum(scale[:, None] * scale, 1e-12))
    size = same.sum(1)[:, None]
    within = np.where(same, affinity / size, 0)
    between = np.where(same, affinity * (1 / len(y) - 1 / size), 1 / len(y))
    return _embedded(x, within, between, components)


def marginal(x: np.ndarray, y: np.ndarray, components: int) -> np.ndarray:
    """MFA, with a linear kernel: near pairs of a class against near pairs of two."""
    distances = pairwise_distances(x)
    np.fill_diagonal(distances, np.inf)
    graphs = []
    for allowed, count in ((y[:, None] == y, WITHIN), (y[:, None] != y, BETWEEN)):
        known = np.where(allowed, distances, np.inf)
        near = np.argsort(known, 1)[:, : min(count, len(y) - 1)]
        graph = np.zeros_like(distances)
        np.put_along_axis(graph, near, np.isfinite(np.take_along_axis(known, near, 1)).astype(float), 1)
        graphs.append(np.maximum(graph, graph.T))
    return _embedded(x, graphs[0], graphs[1], components)


def low_rank_neighbours(
    x: np.ndarray, y: np.ndarray, targets: int, norm: str, weight: float, rank: int
) -> np.ndarray:
    """LMNN with a penalty on small eigenvalues of M, by a projected subgradient method from M = I on.

    Args:
        x, y: see the top; x of unit scale.
        targets: nearest neighbours of the same class that are pulled.
        norm: ``fantope`` for the sum of all eigenvalues but the `rank` largest, ``capped`` for the sum of all, of
            which one counts at most the `rank` largest's smallest at M = I, that is 1.
        weight: of the penalty.
        rank: of M that is aimed at.
    """
    distances = pairwise_distances(x)
    np.fill_diagonal(distances, np.inf)
    same = y[:, None] == y
    near = np.argsort(np.where(same, distances, np.inf), 1)[:, :targets]
    anchors = np.repeat(np.arange(len(x)), targets)
    away = x[anchors] - x[near.ravel()]
    pull = away.T @ away / len(away)
    matrix = np.eye(x.shape[1])
    best, least = matrix, np.inf
    for step in range(MARGIN_STEPS):
        moved = x @ matrix
        squares = (moved * x).sum(1)
        between = squares[:, None] + squares - 2 * moved @ x.T
        own = between[anchors, near.ravel()]
        hinge = np.where(same[anchors], 0, np.maximum(0, 1 + own[:, None] - between[anchors]))
        values, vectors = np.linalg.eigh(matrix)
        small = np.arange(len(values)) < len(values) - rank if norm == "fantope" else values < 1
        penalty = values[small].sum() + (0 if norm == "fantope" else (~small).sum())
        value = own.mean() + hinge.sum() / len(anchors) + weight * penalty
        if value < least:
            best, least = matrix, value
        active = (hinge > 0).astype(float)
        per_anchor = np.zeros((len(x), len(x)))
        np.add.at(per_anchor, anchors, active)
        graph = per_anchor + per_anchor.T
        push = x.T @ (np.diag(graph.sum(1)) - graph) @ x
        drawn = (active.sum(1)[:, None] * away).T @ away
        gradient = pull + (drawn - push) / len(anchors) + weight * vectors[:, small] @ vectors[:, small].T
        values, vectors = np.linalg.eigh(matrix - gradient / max(np.linalg.norm(gradient), 1e-12) / np.sqrt(step + 1))
        matrix = (vectors * values.clip(0)) @ vectors.T
    values, vectors = np.linalg.eigh(best)
    kept = values > 1e-9 * values[-1]
    return (vectors[:, kept] * np.sqrt(values[kept])).T


def pairs(y: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows (i, j) of pairs of one class, and of pairs of two, `PAIRS` of each at most."""
    noise = np.random.default_rng(seed)
    found = []
    for alike in (True, False):
        every = np.argwhere((y[:, None] == y) == alike)
        every = every[every[:, 0] < every[:, 1]]
        i, j = every[noise.permutation(len(every))[:PAIRS]].T
        found.append((i, j))
    return found


def _embedded(x: np.ndarray, within: np.ndarray, between: np.ndarray, components: int) -> np.ndarray:
    """Directions along which pairs of one graph [n, n] are far from each other, beside those of another."""
    scatters = [x.T @ (np.diag(graph.sum(1)) - graph) @ x for graph in (between, within)]
    ridge = RIDGE * np.trace(scatters[1]) / x.shape[1] * np.eye(x.shape[1])
    vectors: np.ndarray = eigh(scatters[0], scatters[1] + ridge)[1]
    return vectors[:, ::-1][:, :components].T
