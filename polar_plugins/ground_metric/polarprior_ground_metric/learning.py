"""How the matrices are learnt: the paper's objective with its sets told apart by class, and its Algorithm 1.

As printed, eq. 13 takes every pair under every class's matrix, so that all of them become the same; here the class of
the second signature, which is a stored one when there is something to classify, says which. Its sums are those in
print, so that the regularisers weigh less the more pairs there are: what they bring is seen where rho_0 and rho_t
come near the number of pairs of S. All of it is divided by that number, which changes no minimum.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import torch
from polarprior.plugin import Transport
from torch import Tensor

from polarprior_ground_metric.distances import all_pairs, moments, solve
from polarprior_ground_metric.levels import Levels, factor
from polarprior_ground_metric.signatures import Signatures

NEAR = 1e-2
"""Tolerance of the distances that neighbours are chosen by."""


@dataclass(frozen=True)
class Objective:
    """What is minimised.

    Attributes:
        mu: weight of the impostors; 1 - mu is that of the targets.
        rho_0, rho_t: of eq. 12; with None for the second the matrices of the classes stay as they are.
        gamma: of the entropy.
    """

    mu: float
    rho_0: float
    rho_t: float | None
    gamma: float


class Triplets(NamedTuple):
    """The sets S and R of eq. 13.

    Attributes:
        targets: [n, i], rows of the nearest of the class of each anchor P.
        impostors: [n, g], rows of the nearest of other classes.
    """

    targets: Tensor
    impostors: Tensor


class Step(NamedTuple):
    """What `value_and_gradient` returns.

    Attributes:
        value: of the objective.
        gradient: of the same in each matrix.
        targets, impostors: duals to start the next step from.
    """

    value: float
    gradient: Levels
    targets: Tensor
    impostors: Tensor


def distances_to(
    x: Signatures, stored: Signatures, classes: Tensor, levels: Levels, gamma: float, tolerance: float = NEAR
) -> Tensor:
    """W_{c(Q)}(P, Q) of each P of x and each stored Q, of the class that `classes` [m] says: [n, m]."""
    if not bool(levels.own.any()):
        linear = factor(levels.shared)
        mapped = stored.mapped(linear)
        return all_pairs(mapped if x is stored else x.mapped(linear), mapped, gamma, tolerance)
    found = x.points.new_empty(len(x), len(stored))
    for label in classes.unique().tolist():
        linear, rows = factor(levels.of_class(label)), classes == label
        found[:, rows] = all_pairs(x.mapped(linear), stored[rows].mapped(linear), gamma, tolerance)
    return found


def neighbours(distances: Tensor, classes: Tensor, targets: int, impostors: int) -> Triplets:
    """S and R: of each signature the nearest of its class and the nearest of others, itself left out.

    Args:
        distances: [n, n].
        classes: [n], each with more than `targets` members.
        targets, impostors: how many of each.
    """
    same = classes[:, None] == classes
    itself = torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    near = distances.masked_fill(~same | itself, torch.inf).topk(targets, largest=False).indices
    far = distances.masked_fill(same, torch.inf).topk(impostors, largest=False).indices
    return Triplets(near, far)


def value_and_gradient(
    signatures: Signatures,
    classes: Tensor,
    triplets: Triplets,
    levels: Levels,
    objective: Objective,
    last: Step | None = None,
    tolerance: float = 1e-3,
) -> Step:
    """The objective, and its exact gradient for these neighbours:

    1 / |S| · (rho_0 |M_0 - I|² + rho_t sum_t |M_t|² + (1 - mu) sum over S of W_{c(Q)}(P, Q)
    + mu sum over R of [1 + W_{c(Q)}(P, Q) - W_{c(R)}(P, R)]_+)

    Args:
        signatures, classes: all of them.
        triplets: who is compared with whom.
        levels: the matrices.
        objective: the rest.
        last: the step before, whose duals these start from.
        tolerance: of the transport.
    """
    n, i = triplets.targets.shape
    g = triplets.impostors.shape[1]
    near = _solved(signatures, classes, triplets.targets, levels, objective.gamma, tolerance, last and last.targets)
    far = _solved(
        signatures, classes, triplets.impostors, levels, objective.gamma, tolerance, last and last.impostors
    )
    to_target, to_impostor = near.value.reshape(n, i, 1), far.value.reshape(n, 1, g)
    hinge = 1 + to_target - to_impostor
    active = (hinge > 0).to(hinge.dtype)
    pairs = n * i
    value, gradient = levels.regulariser(objective.rho_0 / pairs, (objective.rho_t or 0.0) / pairs)
    value += (1 - objective.mu) * near.value.mean() + objective.mu / pairs * (active * hinge).sum()
    of_targets = (1 - objective.mu + objective.mu * active.sum(2).flatten()) / pairs
    of_impostors = -objective.mu / pairs * active.sum(1).flatten()
    for rows, found, shares in (
        (triplets.targets, near, of_targets),
        (triplets.impostors, far, of_impostors),
    ):
        left, right = _pairs(rows)
        of_pair = classes[right]
        for label in of_pair.unique().tolist():
            chosen = of_pair == label
            part = moments(signatures[left[chosen]], signatures[right[chosen]], found.plan[chosen], shares[chosen])
            gradient.shared.add_(part)
            if objective.rho_t is not None:
                gradient.own[label].add_(part)
    return Step(float(value), gradient, near.columns, far.columns)


def descend(
    signatures: Signatures,
    classes: Tensor,
    triplets: Triplets,
    levels: Levels,
    objective: Objective,
    steps: int,
    first: int,
    rate: float,
) -> tuple[Levels, float]:
    """`steps` of a projected subgradient method for these neighbours: the matrices, and the last value.

    Args:
        signatures, classes, triplets, levels, objective: see `value_and_gradient`.
        steps: how many.
        first: steps done before.
        rate: length of the first step; the one after n others is 1 / sqrt(n + 1) as long.
    """
    step: Step | None = None
    for done in range(first, first + steps):
        step = value_and_gradient(signatures, classes, triplets, levels, objective, step)
        gradient = step.gradient
        levels = levels.stepped(gradient, rate / sqrt(done + 1) / max(gradient.norm(), 1e-12))
    assert step is not None
    return levels, step.value


def _pairs(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the first and of the second of each pair."""
    return torch.arange(len(rows), device=rows.device).repeat_interleave(rows.shape[1]), rows.flatten()


def _solved(
    signatures: Signatures,
    classes: Tensor,
    rows: Tensor,
    levels: Levels,
    gamma: float,
    tolerance: float,
    columns: Tensor | None,
) -> Transport:
    """W_{c(Q)} of each anchor and each of its `rows` [n, i]."""
    left, right = _pairs(rows)
    of_pair = classes[right]
    labels = of_pair.unique().tolist() if bool(levels.own.any()) else [None]
    parts, order = [], []
    for label in labels:
        chosen = (
            torch.arange(len(right), device=right.device) if label is None else (of_pair == label).nonzero()[:, 0]
        )
        mapped = signatures.mapped(factor(levels.of_class(label)))
        start = None if columns is None else columns[chosen]
        parts.append(solve(mapped[left[chosen]], mapped[right[chosen]], gamma, start, tolerance))
        order.append(chosen)
    back = torch.cat(order).argsort()
    return Transport(*(torch.cat(each)[back] for each in zip(*parts, strict=True)))
