"""The figures of a row: metrics over several sets of draws, and their change against each set's control."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polarprior.generator import Generator
from polarprior.metrics.judge import Judge
from polarprior.saying import with_error
from polarprior.stages import stage
from polarprior.sweeps.repetitions import Repetition


@dataclass(frozen=True)
class Spread:
    """A figure over several sets of seeds.

    Attributes:
        values: one a set.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean of the values."""
        return float(np.mean(self.values))

    @property
    def std(self) -> float:
        """The standard deviation of the values, with n - 1; 0 of a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0

    @property
    def half(self) -> float:
        """Half the width of the 95% interval of the mean (Student's); infinite of a single value."""
        from scipy.stats import t

        n = len(self.values)
        return float(t.ppf(0.975, n - 1)) * self.std / n**0.5 if n > 1 else float("inf")

    def less(self, other: Spread) -> Spread:
        """The difference, set by set."""
        return Spread(tuple(a - b for a, b in zip(self.values, other.values, strict=True)))

    def __str__(self) -> str:
        return self.told()

    def told(self, sign: str = "") -> str:
        """The mean ± the standard deviation, or a single value; with "+" as `sign` a positive mean has its sign."""
        return with_error(self.mean, self.std, sign) if len(self.values) > 1 else f"{self.mean:{sign}.4g}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"mean": self.mean, "std": self.std, "values": list(self.values)}


Measured = dict[str, dict[str, Spread]]
"""Figures by space and metric."""


def as_dict(measured: Measured) -> dict[str, Any]:
    """For JSON."""
    return {space: {name: spread.to_dict() for name, spread in values.items()} for space, values in measured.items()}


def change(measured: Measured, plain: Measured) -> Measured:
    """Each figure less that of `plain`, set by set."""
    return {
        space: {name: spread.less(plain[space][name]) for name, spread in values.items()}
        for space, values in measured.items()
    }


@dataclass(frozen=True)
class Measurement:
    """What a row was measured to be.

    Attributes:
        figures: over the sets.
        effect: the same less those of each set's control; empty where there is none.
        distinct: different latents in a set, on average.
    """

    figures: Measured
    effect: Measured
    distinct: float


@dataclass(frozen=True)
class Measuring:
    """Metrics of a row.

    Attributes:
        judge: compares draws with real images.
        samples: draws a set.
        sets: of draws, from which the spread comes.
    """

    judge: Judge
    samples: int = 1000
    sets: int = 3

    def of(self, generator: Generator, sets: Iterable[Repetition]) -> Measurement:
        """Metrics of sets of draws, and of their controls."""
        found, controls, distinct = [], [], []
        for number, each in enumerate(sets, 1):
            with stage(f"comparing set {number} of {self.sets}"):
                found.append(self.judge(generator, each.drawn))
            distinct.append(each.distinct)
            if each.control is not None:
                controls.append(self.judge(generator, each.control))
        figures = _gathered(found)
        effect = change(figures, _gathered(controls)) if controls else {}
        return Measurement(figures, effect, float(np.mean(distinct)))


def _gathered(found: Sequence[dict[str, dict[str, float]]]) -> Measured:
    return {
        space: {name: Spread(tuple(each[space][name] for each in found)) for name in values}
        for space, values in found[0].items()
    }
