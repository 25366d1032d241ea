"""The Fréchet distance of features: FID where they are Inception's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.metrics.features import blocks, check_features


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean [D] and covariance [D, D] of features, float64."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Moments:
        """Those of features [n, D], n > 1, the covariance with n - 1; UsageError unless these are finite floats."""
        check_features(features, features)
        n, width = features.shape
        pieces = list(blocks(n, width))
        mean = sum((features[piece].double().sum(0) for piece in pieces), start=torch.zeros(()).double()) / n
        covariance = torch.zeros(width, width, dtype=torch.float64, device=features.device)
        for piece in pieces:
            centred = features[piece].double() - mean
            covariance.addmm_(centred.T, centred)
        return cls(mean, covariance / (n - 1))

    @cached_property
    def root(self) -> Tensor:
        """R [D, D] with R' R = covariance."""
        values, vectors = torch.linalg.eigh(self.covariance)
        return values.clamp(min=0).sqrt()[:, None] * vectors.T


def frechet_distance(real: Tensor | Moments, generated: Tensor) -> float:
    """Squared Fréchet distance of the normal distributions that fit two sets of features.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): Dowson and Landau 1982; Heusel et al. 2017, *GANs trained by a two
    time-scale update rule*, eq. 6, who take Inception's features. Biased upwards by about 1/n: compare equal n.

    Args:
        real: features [n, D], n > 1, or their `Moments`, which spare work where they are compared with many.
        generated: features [m, D], m > 1.

    Returns:
        In squared units of the features, 0 for the same.

    Raises:
        UsageError: features that aren't finite floats of one width.

    >>> x = torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    >>> round(frechet_distance(x, x + 2), 4)
    12.0
    """
    first = real if isinstance(real, Moments) else Moments.of(real)
    second = Moments.of(generated)
    if len(first.mean) != len(second.mean):
        raise UsageError(f"generated: {len(second.mean)} wide, real {len(first.mean)}", "take both from one space")
    # The eigenvalues of C1 C2 are those of R C2 R', which is symmetric.
    shared = torch.linalg.eigvalsh(first.root @ second.covariance @ first.root.T)
    both = first.covariance.trace() + second.covariance.trace()
    return float((first.mean - second.mean).square().sum() + both - 2 * shared.clamp(min=0).sqrt().sum())
