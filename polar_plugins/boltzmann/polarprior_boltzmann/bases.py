"""Where a flow starts: generalised Gaussians, proportional to exp(-|x / sigma|_p^p), the paper's f_0."""

from __future__ import annotations

from math import gamma, lgamma, log, sqrt

import torch
from scipy.special import gammaincinv
from torch import Tensor

from polarprior_boltzmann.energies import Energy


class GeneralisedGaussian(Energy):
    """f(x) = sum over i of |x_i / sigma|^p. With p = 2 it is a normal density of deviation sigma / sqrt(2).

    Args:
        dim: K.
        p: of the norm; 4 in the paper's section 4.2.
        sigma: its scale.
    """

    def __init__(self, dim: int, p: float = 2.0, sigma: float = sqrt(2)):
        self.dim, self.p, self.sigma = dim, p, sigma
        self.log_z = dim * (log(2 * sigma) + lgamma(1 + 1 / p))

    @classmethod
    def normal(cls, dim: int, std: float = 1.0) -> GeneralisedGaussian:
        """A centred normal density."""
        return cls(dim, 2.0, sqrt(2) * std)

    @property
    def std(self) -> float:
        """The standard deviation of a coordinate."""
        return self.sigma * sqrt(gamma(3 / self.p) / gamma(1 / self.p))

    def __call__(self, x: Tensor) -> Tensor:
        return (x / self.sigma).abs().pow(self.p).sum(1)

    def with_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Energy`."""
        scaled = x / self.sigma
        return self(x), self.p / self.sigma * scaled.sign() * scaled.abs().pow(self.p - 1)

    def log_density(self, x: Tensor) -> Tensor:
        """log p_0 of x [n, K]: [n]."""
        return -self(x) - self.log_z

    def sample(self, count: int, noise: torch.Generator) -> Tensor:
        """Draws, float32 [count, K]: |x / sigma|^p has a gamma law of shape 1 / p."""
        if self.p == 2:
            return self.std * torch.randn(count, self.dim, generator=noise)
        u = torch.rand(count, self.dim, 2, generator=noise, dtype=torch.float64)
        size = torch.from_numpy(gammaincinv(1 / self.p, u[..., 0].numpy())).pow(1 / self.p)
        return (self.sigma * size * torch.where(u[..., 1] < 0.5, -1, 1)).float()
