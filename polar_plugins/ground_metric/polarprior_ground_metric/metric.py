"""`MultiLevelMetric`: a ground metric inside smoothed Wasserstein distances, learnt from labelled signatures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import torch
from polarprior.plugin import UsageError, torch_device
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from torch import Tensor

from polarprior_ground_metric.choosing import Search, Tried
from polarprior_ground_metric.distances import TOLERANCE, Tally, all_pairs
from polarprior_ground_metric.held_out import HeldOut, voted
from polarprior_ground_metric.learning import NEAR, distances_to
from polarprior_ground_metric.levels import Levels, factor
from polarprior_ground_metric.parameters import check_parameters
from polarprior_ground_metric.signatures import Signatures


class MultiLevelMetric(BaseEstimator):
    """A nearest-neighbour classifier of signatures whose ground metric is learnt: Xu, Luo, Deng and Huang,
    *Multi-Level Metric Learning via Smoothed Wasserstein Distance* (IJCAI 2018), called the paper here.

    The distance of a signature P from a stored one Q of class t is W(P, Q) with squared ground distances
    (p - q)'(M_0 + M_t)(p - q), eq. 10 and 11. A share of the signatures is held out: iterates, regularisers and
    whether classes get a matrix of their own are judged there.

    Args:
        n_neighbors: that vote.
        targets, impostors: k_i and k_g of Algorithm 1.
        mu: weight of the impostors, eq. 13.
        rho_0: candidates for the weight of |M_0 - I|², beside sums over `targets` pairs a signature.
        rho_t: candidates for that of each |M_t|²; None for the paper's 1 / C; empty for one matrix alone.
        smoothing: gamma, as a share of the mean ground distance.
        rate: length of the first step.
        rounds, steps: neighbours are chosen anew `rounds` times, with `steps` steps after each.
        patience: rounds without a better accuracy that end it.
        validation: the share that is held out.
        new_classes: those to come are others, as persons are: whole classes are held out, and none gets a matrix of
            its own.
        seed: of what is held out.
        device: where transport is solved: a torch device, such as ``cuda``.
        progress: show a bar.

    Attributes:
        classes_: labels, sorted.
        levels_: the matrices, for points that are divided by `scale_`.
        scale_: root of the mean debiased distance of a signature from its nearest impostor, so that a margin of 1
            means something.
        gamma_: weight of the entropy, for the same points.
        tried_: what was tried, M = I first, and how each did.
        chosen_: the one of these whose matrices were taken; M = I is taken where nothing is better.
        unsolved_: the share of the transport problems of `fit` that were not solved to their tolerance, NaN where a
            file does not say; `fit` and `distances` warn of such problems.
    """

    scale_: float
    gamma_: float

    def __init__(
        self,
        n_neighbors: int = 3,
        *,
        targets: int = 3,
        impostors: int = 10,
        mu: float = 0.5,
        rho_0: Sequence[float] = (1.0,),
        rho_t: Sequence[float] | None = None,
        smoothing: float = 0.05,
        rate: float = 1.0,
        rounds: int = 8,
        steps: int = 10,
        patience: int = 3,
        validation: float = 0.25,
        new_classes: bool = False,
        seed: int = 0,
        device: str = "cpu",
        progress: bool = False,
    ):
        self.n_neighbors = n_neighbors
        self.targets, self.impostors, self.mu = targets, impostors, mu
        self.rho_0, self.rho_t, self.smoothing = rho_0, rho_t, smoothing
        self.rate, self.rounds, self.steps, self.patience = rate, rounds, steps, patience
        self.validation, self.new_classes, self.seed = validation, new_classes, seed
        self.device, self.progress = device, progress

    def fit(self, signatures: Any, labels: Any) -> MultiLevelMetric:
        """Learn the matrices, and keep all signatures as neighbours.

        Args:
            signatures: n, see `Signatures.of`.
            labels: [n], of two classes or more.

        Raises:
            UsageError: too few of a class; a parameter that is out of range.
        """
        check_parameters(self.get_params())
        given = Signatures.of(signatures)
        given = given.to(torch_device(self.device))
        self.classes_, codes = np.unique(_checked_labels(labels, len(given)), return_inverse=True)
        classes = torch.from_numpy(codes.astype(np.int64)).to(given.points.device)
        if len(self.classes_) < 2:
            raise UsageError(
                f"labels: {len(given)} of 1 classes, expected two classes or more",
                "give signatures of others as well",
            )
        held = HeldOut.drawn(codes, self.validation, self.seed, self.new_classes)
        with Tally() as tally:
            self._scale(given[held.learnt], classes[held.learnt])
            self._stored, self._classes = Signatures(given.points / self.scale_, given.weights), classes
            search = Search(self._stored, classes, held, self.gamma_, self.get_params())
            self.levels_, self.tried_, self.chosen_ = search.best(len(self.classes_))
        self.unsolved_ = tally.missed / tally.problems
        return self

    def given(
        self,
        labels: np.ndarray,
        levels: Levels,
        scale: float,
        gamma: float,
        stored: Signatures,
        classes: Tensor,
        tried: list[Tried],
        chosen: Tried,
        unsolved: float = math.nan,
    ) -> MultiLevelMetric:
        """In place of `fit`, what one has learnt before.

        Args:
            labels, levels, scale, gamma, tried, chosen, unsolved: see the attributes.
            stored, classes: see `stored`.
        """
        self.classes_, self.levels_, self.scale_, self.gamma_ = labels, levels, scale, gamma
        self._stored, self._classes, self.tried_, self.chosen_ = stored, classes, tried, chosen
        self.unsolved_ = unsolved
        return self

    def moved(self, device: str) -> MultiLevelMetric:
        """The same metric, whose distances are computed on a device, such as ``cuda``."""
        self._check_fitted()
        found, where = copy(self), torch_device(device)
        found.device, found.levels_ = device, Levels(self.levels_.shared.to(where), self.levels_.own.to(where))
        found._stored, found._classes = self._stored.to(where), self._classes.to(where)
        return found

    def stored(self) -> tuple[Signatures, Tensor]:
        """The signatures that classify others, their points divided by `scale_`, and the class of each, [n]."""
        self._check_fitted()
        return self._stored, self._classes

    def transform(self, signatures: Any, label: Any = None) -> Signatures:
        """L p / scale of each point, where M = L'L: there the ground distance is Euclidean.

        Args:
            signatures: n.
            label: of the class whose M_0 + M_t is meant; M_0 where None.
        """
        return self._like_stored(signatures).mapped(self.linear(label))

    def linear(self, label: Any = None) -> Tensor:
        """The map of `transform`, [r, d]."""
        self._check_fitted()
        code = None
        if label is not None:
            found = (self.classes_ == label).nonzero()[0]
            if not len(found):
                raise UsageError(
                    f"label: got {label!r}, expected one of {self.classes_.tolist()}", "use one of those"
                )
            code = int(found[0])
        return factor(self.levels_.of_class(code)) / self.scale_

    def kneighbors(self, signatures: Any, n_neighbors: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Distances [n, k], smallest first, and rows [n, k] of the stored signatures that are nearest."""
        self._check_fitted()
        count = self._count(self.n_neighbors if n_neighbors is None else n_neighbors)
        found = self.distances(signatures).topk(count, largest=False)
        return found.values.cpu().numpy(), found.indices.cpu().numpy()

    def distances(self, signatures: Any, others: Any = None) -> Tensor:
        """W of each signature and each stored one, under the metric of the stored one's class, or of each and each of
        `others`, under M_0: [n, m]."""
        self._check_fitted()
        with Tally():
            if others is not None:
                return all_pairs(self.transform(signatures), self.transform(others), self.gamma_)
            given = self._like_stored(signatures)
            scaled = Signatures(given.points / self.scale_, given.weights)
            return distances_to(scaled, self._stored, self._classes, self.levels_, self.gamma_, TOLERANCE)

    def predict(self, signatures: Any) -> np.ndarray:
        """Labels [n]: of most of the nearest; of the nearest of those that are as many."""
        self._check_fitted()
        count = self._count(self.n_neighbors)
        return self.classes_[voted(self.distances(signatures), self._classes, count).cpu().numpy()]

    def score(self, signatures: Any, labels: Any) -> float:
        """Share of labels that `predict` finds."""
        predicted = self.predict(signatures)
        return float((predicted == _checked_labels(labels, len(predicted))).mean())

    def _like_stored(self, signatures: Any) -> Signatures:
        """In the dtype of the stored ones; UsageError where points have another number of dimensions."""
        self._check_fitted()
        given, stored = Signatures.of(signatures), self._stored
        if given.dim != stored.dim:
            raise UsageError(
                f"signatures: points of {given.dim} numbers, expected {stored.dim}, as in fit",
                "describe these as those were described",
            )
        return given.to(stored.points)

    def _count(self, neighbours: int) -> int:
        """As many, if there are."""
        if neighbours != int(neighbours) or not 1 <= neighbours <= len(self._stored):
            raise UsageError(f"n_neighbors: got {neighbours}, expected 1 to {len(self._stored)}", "use n_neighbors=1")
        return int(neighbours)

    def _scale(self, signatures: Signatures, classes: Tensor) -> None:
        centre = signatures.means().mean(0)
        spread = (signatures.points - centre).square().sum(2)
        mean = 2 * float((signatures.weights * spread).sum(1).mean())  # of |p - q|² over all p and q
        if mean == 0:
            raise UsageError("signatures: all are the same", "give others")
        if not math.isfinite(mean):
            raise UsageError(f"signatures: squares of their points overflow in {centre.dtype}", "scale them down")
        between = all_pairs(signatures, signatures, self.smoothing * mean, NEAR)
        between -= (between.diagonal()[:, None] + between.diagonal()) / 2
        nearest = between.masked_fill(classes[:, None] == classes, torch.inf).amin(1).clamp(min=0).mean()
        self.scale_ = float(nearest.clamp(min=1e-6 * mean).sqrt())
        self.gamma_ = self.smoothing * mean / self.scale_**2

    def _check_fitted(self) -> None:
        if not hasattr(self, "levels_"):
            raise NotFittedError("MultiLevelMetric: call fit first")


def _checked_labels(labels: Any, count: int) -> np.ndarray:
    """One for each of `count` signatures."""
    found = np.asarray(labels)
    if found.shape != (count,):
        raise UsageError(
            f"labels: got {list(found.shape)} for {count} signatures, expected [{count}]", "give a label to each"
        )
    return found
