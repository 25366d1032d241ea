"""The top of a Jacobian's spectrum, by the estimator of the caller's choice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.volume.exact import exact
from polarprior.volume.linear_map import LinearMap


@dataclass(frozen=True, eq=False)
class TopSingularValues:
    """The k largest singular values at each of n latents.

    Attributes:
        log_sigma: float64 [n, k], descending, natural logarithms; -inf where the rank is less.
        error: float64 [n], bound or estimate of the error of `log_volume` in nats; 0 where exact.
        passes: (JVPs, VJPs) spent on each latent.
    """

    log_sigma: Tensor
    error: Tensor
    passes: tuple[int, int]

    @property
    def log_volume(self) -> Tensor:
        """l_k = sum of the k log sigma_i, float64 [n] (polarity paper, Algorithm 1)."""
        return self.log_sigma.sum(1)


def top_singular_values(linear_map: LinearMap, k: int) -> TopSingularValues:
    """The k largest singular values of each J.

    Args:
        linear_map: n Jacobians from R^K to R^D.
        k: how many, 1 <= k <= min(K, D).

    Raises:
        UsageError: k out of range.

    >>> j = torch.diag(torch.tensor([3.0, 2.0, 1.0]))
    >>> spectrum = top_singular_values(LinearMap.of(lambda z: z @ j, torch.zeros(1, 3)), k=2)
    >>> spectrum.log_sigma.exp().round(decimals=4).tolist()
    [[3.0, 2.0]]
    """
    check_k(k, min(linear_map.input_dim, linear_map.output_dim))
    return TopSingularValues(
        log_sigma=exact(linear_map, k),
        error=torch.zeros(len(linear_map), dtype=torch.float64),
        passes=(linear_map.input_dim, 0),
    )


def check_k(k: int, rank_bound: int) -> None:
    """Raise UsageError unless 1 <= k <= rank_bound."""
    if not 1 <= k <= rank_bound:
        raise UsageError(
            f"-k: got {k}, expected 1 to {rank_bound}, the largest rank that this Jacobian can have",
            f"use -k {max(1, min(30, rank_bound))}",
        )
