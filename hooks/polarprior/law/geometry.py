"""Where a prior's latents live, as the samplers that reweight it must know it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from polarprior.generator import Generator


@dataclass(frozen=True)
class Geometry:
    """How long the latents of a prior are, and how unlikely those are that it hardly ever gives.

    Attributes:
        lengths: z [n, *shape] to float64 [n, m]: the lengths that the prior keeps near one value each, |z| or those
            of m parts of z. The support ``shell`` is where all of them are as the prior has them. None where no
            latent is longer than another, as on a sphere: the shell is everything then.
        log_density: z [n, *shape] to float64 [n]: log p(z) up to a constant, -inf where there is no latent. Beyond
            the limits of rho a few lines are followed with it, to see whether the law leaves the shell. None where it
            can't be told, or where no law can leave.
        scale: standard deviation of the numbers of z, the step along these lines.
    """

    lengths: Callable[[Tensor], np.ndarray] | None = None
    log_density: Callable[[Tensor], np.ndarray] | None = None
    scale: float = 1.0

    @classmethod
    def normal(cls, std: float = 1.0, bound: float = np.inf) -> Geometry:
        """Latents whose numbers are normal with that deviation, given that each is within ± `bound`."""
        return cls(length, partial(normal_log_density, std=std, bound=bound), std)


SPHERE = Geometry()
"""Latents that the model itself puts on a sphere: no law can leave it."""


def geometry_of(generator: Generator) -> Geometry:
    """What a generator says of itself: a sphere, a standard normal prior, or lengths alone."""
    if generator.normalizes_latent:
        return SPHERE
    return Geometry.normal() if generator.prior.name == "normal" else Geometry(length)


def length(z: Tensor) -> np.ndarray:
    """|z| of latents z [n, *shape], float64 [n, 1]."""
    lengths: np.ndarray = z.double().flatten(1).norm(dim=1, keepdim=True).cpu().numpy()
    return lengths


def normal_log_density(z: Tensor, std: float, bound: float) -> np.ndarray:
    """log p(z), up to a constant, of latents z [n, *shape] as in `Geometry.normal`, float64 [n].

    >>> import torch
    >>> normal_log_density(torch.tensor([[1.0, 1.0], [3.0, 0.0]]), std=1.0, bound=2.0)
    array([ -1., -inf])
    """
    numbers = z.double().flatten(1).cpu().numpy()
    inside = (np.abs(numbers) <= bound).all(1)
    return np.where(inside, -np.square(numbers).sum(1) / (2 * std**2), -np.inf)
