"""Families of energies f_t between that of a base, f_0, and that of a target, f_1: the paper's section 3."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import log, pi

import torch
from torch import Tensor, nn

from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import Energy, GaussianMixture
from polarprior_boltzmann.networks import KernelMLPs


class Interpolation(nn.Module, ABC):
    """Energies f_t of times t.

    Attributes:
        start_log_z: log Z_0, of the Boltzmann density of f_0.
    """

    start_log_z: float

    @abstractmethod
    def energy(self, x: Tensor, t: Tensor) -> Tensor:
        """f_t(x) [n] at x [n, K] and t [n]."""

    @abstractmethod
    def derivatives(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The derivative of f_t(x) in t, [n], and its gradient in x, [n, K], at x [n, K] and t [n]."""


class Linear(Interpolation):
    """f_t = (1 - t) f_0 + t f_1, eq. 17.

    Args:
        base, target: f_0 and f_1.
    """

    def __init__(self, base: GeneralisedGaussian, target: Energy):
        super().__init__()
        self.base, self.target, self.start_log_z = base, target, base.log_z

    def energy(self, x: Tensor, t: Tensor) -> Tensor:
        """See `Interpolation`."""
        return torch.lerp(self.base(x), self.target(x), t)

    def derivatives(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """See `Interpolation`."""
        (start, start_slope), (end, end_slope) = self.base.with_gradient(x), self.target.with_gradient(x)
        return end - start, torch.lerp(start_slope, end_slope, t[:, None])


class Trainable(Linear):
    """f_t = (1 - t) f_0 + t f_1 + t (1 - t) f_theta(x, t), eq. 20.

    Args:
        base, target: f_0 and f_1.
        network: f_theta, with one output.
    """

    def __init__(self, base: GeneralisedGaussian, target: Energy, network: KernelMLPs):
        super().__init__(base, target)
        self.network = network

    def energy(self, x: Tensor, t: Tensor) -> Tensor:
        """See `Interpolation`."""
        return super().energy(x, t) + t * (1 - t) * self.network(x, t)[:, 0]

    def derivatives(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """See `Interpolation`."""
        change, slope = super().derivatives(x, t)
        value, gradient, in_time = self.network.with_gradient(x, t)
        share = t * (1 - t)
        return change + (1 - 2 * t) * value + share * in_time, slope + share[:, None] * gradient


class Diffusion(Interpolation):
    """The energies along the diffusion of a Gaussian mixture, eq. 19, which are those of mixtures as well.

    The diffusion's own time is t² here: the means are t times those of the mixture, and the variance is
    t² std² + (1 - t²) base_std². In that time, where they are sqrt(t) times as large, they would start at infinite
    speed.

    Args:
        target: the mixture.
        base_std: deviation of the normal base.
    """

    start_log_z = 0.0
    """The energies are normalised."""

    def __init__(self, target: GaussianMixture, base_std: float):
        super().__init__()
        self.target, self.base_std = target, base_std
        self._gap = target.std**2 - base_std**2

    def derivatives(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """See `Interpolation`."""
        away, variance = self._at(x, t)
        growth = 2 * t[:, None] * self._gap
        squares = away.square().sum(2)
        shares = (self.target.weights.to(x).log() - squares / (2 * variance)).softmax(1)
        moving = (away * self.target.means(x)).sum(2) / variance
        change = self.target.dim * growth / (2 * variance) - moving - squares * growth / (2 * variance.square())
        return (shares * change).sum(1), (shares[..., None] * away).sum(1) / variance

    def energy(self, x: Tensor, t: Tensor) -> Tensor:
        """f_t(x) [n] at t [n], normalised: its Boltzmann density integrates to 1."""
        away, variance = self._at(x, t)
        terms = self.target.weights.to(x).log() - away.square().sum(2) / (2 * variance)
        return self.target.dim / 2 * (2 * pi * variance[:, 0]).log() - terms.logsumexp(1)

    def _at(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """x less each mean, [n, m, K], and the variance, [n, 1], at t [n]."""
        away = x[:, None] - t[:, None, None] * self.target.means(x)
        return away, self.base_std**2 + t.square()[:, None] * self._gap


class OverRho(Interpolation):
    """The polarity priors of a normal prior, with rho for the time: f_rho(z) = |z|²/2 - rho l(z).

    One family serves every rho, since the prior of rho is on the way to that of any larger one. Time is rho over
    `largest`, between -1 and 1.

    Args:
        log_volume: l, as an energy whose value and gradient are known everywhere.
        largest: |rho| at the times -1 and 1.
    """

    def __init__(self, log_volume: Energy, largest: float):
        super().__init__()
        self.log_volume, self.largest = log_volume, largest
        self.start_log_z = log_volume.dim / 2 * log(2 * pi)

    def energy(self, x: Tensor, t: Tensor) -> Tensor:
        """See `Interpolation`."""
        return x.square().sum(1) / 2 - self.largest * t * self.log_volume(x)

    def derivatives(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """See `Interpolation`."""
        volume, slope = self.log_volume.with_gradient(x)
        return -self.largest * volume, x - self.largest * t[:, None] * slope
