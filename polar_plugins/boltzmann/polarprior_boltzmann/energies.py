"""Energies f, each with its gradient in closed form where it has one: their Boltzmann densities are exp(-f) / Z."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import log, pi, sqrt

import torch
from torch import Tensor


class Energy(ABC):
    """A function of points in R^K whose Boltzmann density is wanted.

    Attributes:
        dim: K.
        modes: [m, K], the means of the modes, for metrics that look for them; None where they are not known.
    """

    dim: int
    modes: Tensor | None = None

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """f of x [n, K]: [n], in the dtype of x."""

    def with_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """f [n] and its gradient [n, K] at x [n, K], detached."""
        with torch.enable_grad():
            points = x.detach().requires_grad_()
            values = self(points)
            (slope,) = torch.autograd.grad(values.sum(), points)
        return values.detach(), slope


class OfFunction(Energy):
    """Any differentiable torch function of rows.

    Args:
        function: x [n, K] to [n], each row on its own.
        dim: K.
        modes: where it is known to have some.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], dim: int, modes: Tensor | None = None):
        self._function, self.dim, self.modes = function, dim, modes

    def __call__(self, x: Tensor) -> Tensor:
        return self._function(x)


class GaussianMixture(Energy):
    """-log of a mixture of normal densities of one covariance, std² times the identity.

    Args:
        means: [m, K].
        weights: [m], which sum to 1.
        std: of each.
    """

    modes: Tensor

    def __init__(self, means: Tensor, weights: Tensor, std: float = 1.0):
        self.modes, self.weights, self.std = means, weights, std
        self.dim = means.shape[1]

    def __call__(self, x: Tensor) -> Tensor:
        return -self._terms(x).logsumexp(1)

    def with_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Energy`."""
        terms = self._terms(x)
        shares = terms.softmax(1)
        return -terms.logsumexp(1), (x - shares @ self.means(x)) / self.std**2

    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """Draws, float32 [count, K]."""
        picked = torch.multinomial(self.weights, count, replacement=True, generator=noise)
        return self.modes[picked] + self.std * torch.randn(count, self.dim, generator=noise)

    def means(self, like: Tensor) -> Tensor:
        """[m, K], in the dtype and on the device of `like`."""
        return self.modes.to(like)

    def _terms(self, x: Tensor) -> Tensor:
        """log of weight times density of each component: [n, m]."""
        variance = self.std**2
        squares = (x[:, None] - self.means(x)).square().sum(2)
        return self.weights.to(x).log() - squares / (2 * variance) - self.dim / 2 * log(2 * pi * variance)


class DoubleWell(Energy):
    """The discretised action of a particle in a double well, on a circle of `points` times: the paper's eq. 27.

    S(phi) = sum over i of (m/2 ((phi_i - phi_{i+1}) / dT)² + V(phi_i)) dT, V(phi) = -m/2 phi² + lambda/4 phi⁴,
    dT = T / N. Its modes are ±sqrt(m / lambda) at all times.

    Args:
        points: N, the dimension.
        mass: m.
        duration: T.
        coupling: lambda.
    """

    def __init__(self, points: int, mass: float, duration: float = 4.0, coupling: float = 1.0):
        self.dim, self.mass, self.coupling = points, mass, coupling
        self._step = duration / points
        self.modes = sqrt(mass / coupling) * torch.tensor([[1.0], [-1.0]]).expand(2, points)

    def potential(self, phi: Tensor) -> Tensor:
        """V, element by element."""
        return -self.mass / 2 * phi.square() + self.coupling / 4 * phi**4

    def __call__(self, x: Tensor) -> Tensor:
        kinetic = self.mass / 2 * ((x - x.roll(-1, 1)) / self._step).square()
        return (kinetic + self.potential(x)).sum(1) * self._step

    def with_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Energy`."""
        pull = self.mass / self._step**2 * (2 * x - x.roll(1, 1) - x.roll(-1, 1))
        return self(x), (pull - self.mass * x + self.coupling * x**3) * self._step


def four_gaussians() -> GaussianMixture:
    """The paper's eq. 2: four normal densities at (±8, ±8), equal in weight."""
    means = torch.tensor([[-8.0, -8.0], [-8.0, 8.0], [8.0, -8.0], [8.0, 8.0]])
    return GaussianMixture(means, torch.full((4,), 0.25))


def two_gaussians() -> GaussianMixture:
    """The paper's eq. 18: a third at (4, 4), near the base, and two thirds at (-8, -8), far from it."""
    return GaussianMixture(torch.tensor([[4.0, 4.0], [-8.0, -8.0]]), torch.tensor([1 / 3, 2 / 3]))
