"""A piecewise-linear surface whose law is known without any Jacobian: a mesh of triangles."""

from __future__ import annotations

import numpy as np
import polarprior as pp
import torch
from torch import nn

CELLS = 10


def make_surface(seed: int = 1) -> nn.Module:
    """2 -> 16 -> 16 -> 3 with leaky ReLU, in float64: plain ReLU would have regions without volume."""
    stream = torch.Generator().manual_seed(seed)
    layers = [nn.Linear(2, 16), nn.LeakyReLU(0.1), nn.Linear(16, 16), nn.LeakyReLU(0.1), nn.Linear(16, 3)]
    net = nn.Sequential(*layers).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream, dtype=torch.float64) * 0.5)
    return net.requires_grad_(False)


def uniform_square(seeds: np.ndarray) -> np.ndarray:
    """Seeds int64 [n] to points [n, 2], uniform on [-1, 1]²: splitmix64 of 2 s and 2 s + 1, fast for millions."""
    counter = (2 * seeds.astype(np.uint64))[:, None] + np.arange(2, dtype=np.uint64)
    with np.errstate(over="ignore"):
        x = counter * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)) * (2.0 / 2**53) - 1


def surface_generator(net: nn.Module) -> pp.Generator:
    """The surface as a generator with a uniform latent."""
    return pp.wrap(net, latent_dim=2, prior=uniform_square)


class Mesh:
    """The surface cut into triangles, `size`² squares of two triangles each.

    Attributes:
        stretch: surface area over latent area of each triangle: vol, without any Jacobian.
        cell: the latent cell of each triangle, 0 to CELLS² - 1.
        middle: z in the middle of each triangle, [triangles, 2].
    """

    def __init__(self, net: nn.Module, size: int):
        assert size % CELLS == 0
        axis = torch.linspace(-1, 1, size + 1, dtype=torch.float64)
        points = net(torch.cartesian_prod(axis, axis)).reshape(size + 1, size + 1, 3).numpy()
        corner, right, up, far = points[:-1, :-1], points[1:, :-1], points[:-1, 1:], points[1:, 1:]
        lower = np.linalg.norm(np.cross(right - corner, up - corner), axis=-1) / 2
        upper = np.linalg.norm(np.cross(right - far, up - far), axis=-1) / 2
        self.stretch = np.stack([lower, upper]).reshape(-1) / ((2 / size) ** 2 / 2)
        square = np.arange(size) * CELLS // size
        thirds = [-1 + (np.arange(size) + part / 3) * 2 / size for part in (1, 2)]
        self.middle = np.concatenate([np.stack(np.meshgrid(t, t, indexing="ij"), -1).reshape(-1, 2) for t in thirds])
        self.cell = np.broadcast_to(square[:, None] * CELLS + square, (2, size, size)).reshape(-1)

    def cell_shares(self, rho: float) -> np.ndarray:
        """The share of each latent cell under vol^rho, by quadrature: [CELLS²], summing to 1."""
        shares = np.bincount(self.cell, self.stretch**rho, CELLS**2)
        return shares / shares.sum()

    def log_volume_moments(self, rho: float) -> tuple[float, float]:
        """Mean and standard deviation of log vol under vol^rho."""
        weight = self.stretch**rho / (self.stretch**rho).sum()
        mean = weight @ np.log(self.stretch)
        return mean, np.sqrt(weight @ (np.log(self.stretch) - mean) ** 2)


def cell_counts(z: np.ndarray) -> np.ndarray:
    """How many of z [n, 2] in [-1, 1]² are in each latent cell."""
    index = np.minimum(((z + 1) / 2 * CELLS).astype(int), CELLS - 1)
    return np.bincount(index[:, 0] * CELLS + index[:, 1], minlength=CELLS**2)
