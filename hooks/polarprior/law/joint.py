"""The law of latents and classes together, p(z, c) exp(rho · l): what rows weigh in it, and how far classes move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polarprior.errors import UsageError

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator


def shares_of(labels: np.ndarray) -> np.ndarray:
    """What each row of a bank weighs at rho 0, where all classes of the bank are equally likely: float64 [N].

    That is 1 / (C n), n the rows of its class, and sums to 1 however unequal the classes are.

    >>> shares_of(np.array([0, 1, 0]))
    array([0.25, 0.5 , 0.25])
    """
    _, where, rows = np.unique(labels, return_inverse=True, return_counts=True)
    shares: np.ndarray = 1 / (len(rows) * rows[where])
    return shares


@dataclass(frozen=True)
class ClassMarginal:
    """How far a joint law moves the classes away from being equally likely.

    Attributes:
        count: classes of the bank.
        effective: exp of the entropy of the law's class marginal, from 1 to `count`.
        moved: total variation between that marginal and the even one: the share of draws, 0 to 1, that have changed
            their class at least.
        most, least: the class that is drawn most, and least, often, with the share of draws that it has.
    """

    count: int
    effective: float
    moved: float
    most: tuple[int, float]
    least: tuple[int, float]

    def __str__(self) -> str:
        return (
            f"classes: {self.moved:.1%} of draws change class, {self.effective:.3g} of {self.count} effective, "
            f"most often {self.most[0]} ({self.most[1]:.2%}), least often {self.least[0]} ({self.least[1]:.2%})"
        )


def class_marginal(labels: np.ndarray, weights: np.ndarray) -> ClassMarginal:
    """The class marginal of a law with these weights [N] on rows of these classes, int64 [N].

    >>> str(class_marginal(np.array([3, 3, 5]), np.array([0.1, 0.1, 0.8])))
    'classes: 30.0% of draws change class, 1.65 of 2 effective, most often 5 (80.00%), least often 3 (20.00%)'
    """
    classes, where = np.unique(labels, return_inverse=True)
    shares = np.bincount(where, weights) / weights.sum()
    drawn = shares[shares > 0]
    most, least = int(shares.argmax()), int(shares.argmin())
    return ClassMarginal(
        count=len(classes),
        effective=float(np.exp(-(drawn @ np.log(drawn)))),
        moved=float(np.abs(shares - 1 / len(classes)).sum() / 2),
        most=(int(classes[most]), float(shares[most])),
        least=(int(classes[least]), float(shares[least])),
    )


def check_joint(generator: Generator, bank: Bank, label: int | None) -> None:
    """Raise UsageError unless there is a joint law: of a bank of several classes, no one of which was asked for."""
    if label is not None:
        raise UsageError(
            f"joint: got label={label} as well, and a joint law draws the class itself", "leave one of them out"
        )
    if bank.labels is None:
        raise UsageError(f"joint: {generator.plugin} has no classes", "leave it out")
    known = np.unique(bank.labels)
    if len(known) == 1:
        raise UsageError(
            f"joint: the bank has one class, {known[0]}, and nothing else to draw",
            "leave it out, or build a bank of several classes: polarprior bank build MODEL --class 0,1,2 --out BANK",
        )
