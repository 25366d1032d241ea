"""Continuous normalizing flows: points follow a field, and their density follows the field's divergence."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from polarprior_boltzmann.bases import GeneralisedGaussian

STEPS = 50
"""Steps of Runge-Kutta's fourth-order rule where a flow is judged or drawn from: the paper's."""


class Field(Protocol):
    """V, such as a `KernelMLPs`.

    Attributes:
        at_once: points that it should be asked for together, at most.
        device: where points should be.
    """

    @property
    def at_once(self) -> int:
        """See the class."""
        ...

    @property
    def device(self) -> torch.device:
        """See the class."""
        ...

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """V_t(x), [n, K], at x [n, K] and one time."""
        ...

    def with_divergence(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """V_t(x) and its divergence, [n]."""
        ...


class Carried(NamedTuple):
    """Where a flow brings points.

    Attributes:
        points: [n, K].
        divergence: [n], the integral of div V along each way: eq. 4 says log p falls by it.
    """

    points: Tensor
    divergence: Tensor


Rule = Callable[[Callable[[Tensor, Tensor], tuple[Tensor, ...]], Tensor, Tensor, Tensor], tuple[Tensor, ...]]
"""(slope at (x, t), x, t, step) to the increments of x and of whatever else `slope` gives."""


def midpoint(slope: Callable[..., tuple[Tensor, ...]], x: Tensor, t: Tensor, step: Tensor) -> tuple[Tensor, ...]:
    """The midpoint rule, of second order: two slopes a step."""
    half = slope(x, t)[0]
    return tuple(step * each for each in slope(x + step / 2 * half, t + step / 2))


def runge_kutta(slope: Callable[..., tuple[Tensor, ...]], x: Tensor, t: Tensor, step: Tensor) -> tuple[Tensor, ...]:
    """The classical rule of fourth order: four slopes a step."""
    first = slope(x, t)
    second = slope(x + step / 2 * first[0], t + step / 2)
    third = slope(x + step / 2 * second[0], t + step / 2)
    last = slope(x + step * third[0], t + step)
    return tuple(step / 6 * (a + 2 * b + 2 * c + d) for a, b, c, d in zip(first, second, third, last, strict=True))


RULES: dict[str, Rule] = {"midpoint": midpoint, "runge-kutta": runge_kutta}


def way(field: Field, x: Tensor, steps: int, end: float = 1.0, rule: str = "midpoint") -> Tensor:
    """Points [steps + 1, n, K] on the ways of x [n, K] from time 0 to `end`, at equal distances in time."""
    times = torch.linspace(0, end, steps + 1, dtype=x.dtype, device=x.device)
    points = [x]
    for t, after in itertools.pairwise(times):
        (move,) = RULES[rule](lambda at, when: (field(at, when),), points[-1], t, after - t)
        points.append(points[-1] + move)
    return torch.stack(points)


def carry(
    field: Field, x: Tensor, start: float = 0.0, end: float = 1.0, steps: int = STEPS, rule: str = "runge-kutta"
) -> Carried:
    """Carry x [n, K] from time `start` to time `end`, which may be the earlier one, in equal steps."""
    times = torch.linspace(start, end, steps + 1, dtype=x.dtype, device=x.device)
    total = x.new_zeros(len(x))
    for t, after in itertools.pairwise(times):
        move, grown = RULES[rule](field.with_divergence, x, t, after - t)
        x, total = x + move, total + grown
    return Carried(x, total)


def carry_adaptively(
    field: Field, x: Tensor, start: float = 0.0, end: float = 1.0, tolerance: float = 1e-7
) -> Carried:
    """The same by torchdiffeq's ``dopri5``, which chooses its steps; needs that package."""
    from torchdiffeq import odeint

    def slope(t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return field.with_divergence(state[0], t)

    times = torch.tensor([start, end], dtype=x.dtype, device=x.device)
    points, total = odeint(slope, (x, x.new_zeros(len(x))), times, rtol=tolerance, atol=tolerance)
    return Carried(points[-1], total[-1])


class Flow(NamedTuple):
    """A base and a field: the law q of points of the base, carried to `end`.

    Attributes:
        base: where points start, at time 0.
        field: V.
        end: the time where they are looked at.
        steps: of Runge-Kutta's rule.
    """

    base: GeneralisedGaussian
    field: Field
    end: float = 1.0
    steps: int = STEPS

    def sample(self, count: int, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` draws [n, K] with log q [n]."""
        return self.push(self.base.sample(count, noise).to(self.field.device))

    def push(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Points z [n, K] of the base to draws [n, K], with log q [n]."""
        parts = []
        with torch.no_grad():
            for part in z.split(self.field.at_once):
                there = carry(self.field, part, 0.0, self.end, self.steps)
                parts.append((there.points, self.base.log_density(part) - there.divergence))
        points, log_q = zip(*parts, strict=True)
        return torch.cat(points), torch.cat(log_q)

    def log_density(self, x: Tensor) -> Tensor:
        """log q of any x [n, K]: [n], by carrying them back."""
        parts = []
        with torch.no_grad():
            for part in x.split(self.field.at_once):
                back = carry(self.field, part, self.end, 0.0, self.steps)
                parts.append(self.base.log_density(back.points) + back.divergence)
        return torch.cat(parts)
