"""The signatures that a metric is judged by while it is learnt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from polarprior.plugin import UsageError
from sklearn.model_selection import train_test_split
from torch import Tensor

from polarprior_ground_metric.learning import distances_to
from polarprior_ground_metric.levels import Levels
from polarprior_ground_metric.signatures import Signatures


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows to learn from, and rows to judge by.

    Attributes:
        learnt, judged: rows, sorted.
        new_classes: whether those judged are of other classes; each is then classified by the others of them, else by
            those learnt from.
    """

    learnt: np.ndarray
    judged: np.ndarray
    new_classes: bool

    @classmethod
    def drawn(cls, codes: np.ndarray, share: float, seed: int, new_classes: bool) -> HeldOut:
        """A share of the signatures of each class, or of the classes.

        Args:
            codes: the class of each signature, from 0.
            share: that is judged.
            seed: of what is drawn.
            new_classes: hold out whole classes.

        Raises:
            UsageError: too few of a class, or too few classes.
        """
        counts = np.bincount(codes)
        fewest, least = int(counts.min()), 2 if new_classes else 3
        if fewest < least:
            raise UsageError(
                f"labels: a class of {fewest} signatures, expected {least} or more of each", "leave it out"
            )
        if not new_classes:
            share = max(share, len(counts) / len(codes))
            parts = train_test_split(np.arange(len(codes)), test_size=share, stratify=codes, random_state=seed)
        elif len(counts) < 4:
            raise UsageError(f"labels: {len(counts)} classes, expected 4 or more", "give more, or no new_classes")
        else:
            most = max(2, min(round(share * len(counts)), len(counts) - 2))
            held = np.isin(codes, np.random.default_rng(seed).permutation(len(counts))[:most])
            parts = [(~held).nonzero()[0], held.nonzero()[0]]
        learnt, judged = map(np.sort, parts)
        return cls(learnt, judged, new_classes)

    def accuracy(self, signatures: Signatures, classes: Tensor, levels: Levels, gamma: float, count: int) -> float:
        """The share of those judged whose class is that of most of their `count` nearest; of new classes the share of
        the R nearest of each that are of its class, which has R others (R-precision, Musgrave et al. 2020).

        Args:
            signatures, classes: all of them.
            levels, gamma: of the distances.
            count: of neighbours.
        """
        judged, truth = signatures[self.judged], classes[self.judged]
        by, known = (judged, truth) if self.new_classes else (signatures[self.learnt], classes[self.learnt])
        distances = distances_to(judged, by, known, levels, gamma)
        if self.new_classes:
            return _precision(distances, truth)
        right = voted(distances, known, min(count, len(by))) == truth
        return float(right.double().mean())


def _precision(distances: Tensor, classes: Tensor) -> float:
    """R-precision of rows [n, n] among each other."""
    others = (classes[:, None] == classes).sum(1) - 1
    order = distances.fill_diagonal_(torch.inf).argsort(1)
    counted = torch.arange(len(classes), device=classes.device) < others[:, None]
    found = ((classes[order] == classes[:, None]) & counted).sum(1)
    return float((found / others).double().mean())


def voted(distances: Tensor, classes: Tensor, count: int) -> Tensor:
    """Find, for each row of distances [n, m], the class that most of the `count` nearest have; among equals,
    that of the nearest: [n]."""
    nearest = distances.topk(count, largest=False).indices
    votes = torch.nn.functional.one_hot(classes[nearest], int(classes.max()) + 1)
    earliest = (votes * torch.arange(count, 0, -1, device=votes.device)[None, :, None]).amax(1)
    found: Tensor = (votes.sum(1) * (count + 1) + earliest).argmax(1)
    return found
