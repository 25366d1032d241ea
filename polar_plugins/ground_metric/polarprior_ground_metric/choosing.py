"""Chooses the regularisers of a metric, and whether its classes get matrices of their own: by what does best on
signatures that are held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor
from tqdm import tqdm

from polarprior_ground_metric.held_out import HeldOut
from polarprior_ground_metric.learning import Objective, descend, distances_to, neighbours
from polarprior_ground_metric.levels import Levels
from polarprior_ground_metric.signatures import Signatures


@dataclass(frozen=True)
class Tried:
    """One setting of the regularisers, on held-out signatures.

    Attributes:
        rho_0, rho_t: of eq. 12; None for M = I, and where the classes have no matrix of their own.
        accuracy: of the best iterate, see `HeldOut.accuracy`.
    """

    rho_0: float | None
    rho_t: float | None
    accuracy: float


class Chosen(NamedTuple):
    """What `Search.best` found.

    Attributes:
        levels: the matrices.
        tried: every setting, M = I first.
        setting: that of the matrices.
    """

    levels: Levels
    tried: list[Tried]
    setting: Tried


@dataclass(frozen=True, eq=False)
class Search:
    """Learn with one setting after the other.

    Attributes:
        signatures: n, all of them.
        classes: [n].
        held: those that judge.
        gamma: weight of the entropy.
        parameters: of `MultiLevelMetric`, by name.
    """

    signatures: Signatures
    classes: Tensor
    held: HeldOut
    gamma: float
    parameters: Mapping[str, Any]

    def best(self, count: int) -> Chosen:
        """Learn with all settings, for as many classes as `count`. Matrices of classes must be better than none by
        more than chance."""
        start = Levels.start(count, self.signatures.points)
        plain = self._accuracy(start)
        best, best_accuracy = start, plain
        tried = [Tried(None, None, plain)]
        setting = tried[0]
        all_rho_0, all_rho_t = self.parameters["rho_0"], self._rho_t(count)
        total = self.parameters["rounds"] * (len(all_rho_0) + len(all_rho_t))
        with tqdm(disable=not self.parameters["progress"], unit="round", total=total) as bar:
            for rho_0 in all_rho_0:
                levels, accuracy = self._learnt(start, plain, rho_0, None, bar)
                tried.append(Tried(rho_0, None, accuracy))
                if accuracy > best_accuracy:
                    best, best_accuracy, setting = levels, accuracy, tried[-1]
            shared, floor = best, best_accuracy
            weight = all_rho_0[0] if setting.rho_0 is None else setting.rho_0
            chance = (floor * (1 - floor) / len(self.held.judged)) ** 0.5
            for rho_t in all_rho_t:
                levels, accuracy = self._learnt(shared, floor, weight, rho_t, bar)
                tried.append(Tried(weight, rho_t, accuracy))
                if accuracy > max(best_accuracy, floor + chance):
                    best, best_accuracy, setting = levels, accuracy, tried[-1]
        return Chosen(best, tried, setting)

    def _rho_t(self, count: int) -> Sequence[float]:
        if self.parameters["new_classes"]:
            return ()
        given = self.parameters["rho_t"]
        return (1 / count,) if given is None else given

    def _learnt(
        self, levels: Levels, accuracy: float, rho_0: float, rho_t: float | None, bar: Any
    ) -> tuple[Levels, float]:
        """The best iterate from `levels` on, whose accuracy on what is held out is known, and its accuracy there."""
        asked = self.parameters
        signatures, classes = self.signatures[self.held.learnt], self.classes[self.held.learnt]
        objective = Objective(asked["mu"], rho_0, rho_t, self.gamma)
        counts = classes.unique(return_counts=True)[1]
        targets = min(asked["targets"], int(counts.min()) - 1)
        impostors = min(asked["impostors"], len(classes) - int(counts.max()))
        best, best_accuracy, waited = levels, accuracy, 0
        for done in range(asked["rounds"]):
            between = distances_to(signatures, signatures, classes, levels, self.gamma)
            triplets = neighbours(between, classes, targets, impostors)
            levels, value = descend(
                signatures,
                classes,
                triplets,
                levels,
                objective,
                asked["steps"],
                done * asked["steps"],
                asked["rate"],
            )
            accuracy = self._accuracy(levels)
            bar.update()
            bar.set_postfix_str(f"objective {value:.3f}, held-out accuracy {accuracy:.3f}")
            waited = 0 if accuracy > best_accuracy else waited + 1
            if accuracy > best_accuracy:
                best, best_accuracy = levels, accuracy
            if waited == asked["patience"]:
                bar.update(asked["rounds"] - done - 1)
                break
        return best, best_accuracy

    def _accuracy(self, levels: Levels) -> float:
        return self.held.accuracy(self.signatures, self.classes, levels, self.gamma, self.parameters["n_neighbors"])
