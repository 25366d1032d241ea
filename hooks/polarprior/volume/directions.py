"""The directions in which an image changes most: the top right singular vectors of a Jacobian."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.block_lanczos import krylov
from polarprior.volume.estimators import start_of
from polarprior.volume.exact import full_gram
from polarprior.volume.orthogonal import resolution
from polarprior.volume.spectrum import check_k

EXACT = 256
"""Latent numbers up to which all of J'J is taken: beyond, a Krylov space is the cheaper way to a few vectors."""
TOLERANCE = 1e-6
"""Nats of log-volume at which a Krylov space is large enough: vectors are then within a thousandth of where they
would end, wherever singular values differ by more than a tenth."""


class TopDirections(NamedTuple):
    """The k directions that each of n Jacobians stretches most.

    Attributes:
        log_sigma: log of the singular values, descending, float64 [n, k]; -inf where the rank is less, NaN where J
            holds NaN or infinity.
        vectors: unit vectors, orthonormal, float64 [n, K, k], the direction of log_sigma[i, j] in vectors[i, :, j].
            The entry that is largest in size, the first of these, is above 0.
        passes: (JVPs, VJPs) spent on each latent.
    """

    log_sigma: Tensor
    vectors: Tensor
    passes: tuple[int, int]


def top_directions(linear_map: LinearMap, k: int) -> TopDirections:
    """Right singular vectors of each J: eigenvectors of J'J, which is taken whole where K is at most `EXACT`, and
    otherwise on a Krylov space.

    Where two singular values are equal any two directions of their plane would do; which ones come out is the same
    each time.

    Args:
        linear_map: n Jacobians from R^K to R^D.
        k: how many, 1 <= k <= min(K, D).

    Raises:
        UsageError: k out of range.

    >>> j = torch.tensor([[0.0, 3.0], [-1.0, 0.0]])
    >>> found = top_directions(LinearMap.of(lambda z: z @ j.T, torch.zeros(1, 2)), 2)
    >>> found.vectors[0].tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    check_k(k, min(linear_map.input_dim, linear_map.output_dim))
    if linear_map.input_dim <= EXACT:
        squares, basis, passes = full_gram(linear_map), None, (linear_map.input_dim, 0)
    else:
        space = krylov(linear_map, k, start_of(linear_map), TOLERANCE)
        squares, basis, passes = space.squares, space.basis, space.spectrum.passes
    finite = squares.isfinite().flatten(1).all(1)[:, None, None]
    eigenvalues, vectors = torch.linalg.eigh(squares.where(finite, 0.0))
    sigma = eigenvalues.clamp(min=0).sqrt().flip(-1)[:, :k]
    vectors = vectors.flip(-1)[..., :k]
    if basis is not None:
        vectors = basis @ vectors
    sigma = sigma.where(sigma > resolution(linear_map.value.dtype) * sigma[:, :1], 0.0).where(
        finite[..., 0], torch.nan
    )
    largest = vectors.abs().argmax(1, keepdim=True)
    return TopDirections(sigma.log().cpu(), (vectors * vectors.gather(1, largest).sign()).cpu(), passes)
