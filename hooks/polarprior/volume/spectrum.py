"""The top of a Jacobian's spectrum: what every estimator returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.volume.log_volume import log_volume

Start = Callable[[int], Tensor]
"""m to m orthonormal directions [n, K, m] in which an estimator starts to look."""


@dataclass(frozen=True, eq=False)
class TopSingularValues:
    """The k largest singular values at each of n latents.

    Attributes:
        log_sigma: float64 [n, k], descending, natural logarithms; -inf where the rank is less.
        error: float64 [n], bound or estimate of the error of `log_volume` in nats; 0 where exact, NaN where the
            estimator can't know.
        passes: (JVPs, VJPs) spent on each latent.
        epsilon: of `log_volume`.
    """

    log_sigma: Tensor
    error: Tensor
    passes: tuple[int, int]
    epsilon: float = 0.0

    @property
    def log_volume(self) -> Tensor:
        """l_k = sum of the k log(sigma_i + epsilon), float64 [n] (polarity paper, Algorithm 1)."""
        return torch.from_numpy(log_volume(self.log_sigma.numpy(), self.epsilon))


def check_k(k: int, rank_bound: int) -> None:
    """Raise UsageError unless 1 <= k <= rank_bound."""
    if not 1 <= k <= rank_bound:
        raise UsageError(
            f"k: got {k}, expected 1 to {rank_bound}, the largest rank that this Jacobian can have",
            f"use k={max(1, min(30, rank_bound))}",
        )
