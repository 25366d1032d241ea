"""Block Golub-Kahan-Lanczos: as exact as one asks for, and the only estimate that knows its own error."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from polarprior.devices import in_float64
from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import cross, gram, log_top, orthonormal
from polarprior.volume.spectrum import Start, TopSingularValues

BLOCK = 4


class Krylov(NamedTuple):
    """A Krylov space of J'J, and what is seen of J on it.

    Attributes:
        basis: orthonormal columns, float64 [n, K, m].
        squares: (J B)'(J B) of that basis B, float64 [n, m, m].
        spectrum: the top singular values on it, those of a latent as they were when it was done.
    """

    basis: Tensor
    squares: Tensor
    spectrum: TopSingularValues


def block_lanczos(linear_map: LinearMap, k: int, start: Start, tolerance: float) -> TopSingularValues:
    """Singular values of J on a Krylov space of J'J; see `krylov`."""
    return krylov(linear_map, k, start, tolerance).spectrum


def krylov(linear_map: LinearMap, k: int, start: Start, tolerance: float) -> Krylov:
    """A Krylov space of J'J, grown by blocks of 4 until the log-volume on it stops moving.

    Golub, Luk, Overton 1981 (block Lanczos for singular values), with full reorthogonalisation, twice, in
    float64. Starts from 4 directions of `start`; a latent is done when its log-volume has changed by less than
    `tolerance` nats. A Krylov space can't see more copies of one singular value than its block has columns, so a
    block of random directions is then added, and only if that moves nothing either is it the end. The error is the
    last change, which bounds what is missing once convergence is geometric.
    """
    n, input_dim, value = len(linear_map), linear_map.input_dim, linear_map.value
    block = basis = in_float64(start(min(BLOCK, input_dim)))
    images = value.new_zeros(n, linear_map.output_dim, 0)
    squares = basis.new_zeros(n, 0, 0)
    found = torch.full((n, k), -torch.inf, dtype=torch.float64)
    error = torch.full((n,), torch.inf, dtype=torch.float64)
    last, quiet = error.clone(), torch.zeros(n, dtype=torch.long)
    cotangents = 0
    while True:
        image = linear_map.jvp(block.to(value))
        border = cross(images, image)
        squares = torch.cat([torch.cat([squares, border], -1), torch.cat([border.mT, gram(image)], -1)], -2)
        images = torch.cat([images, image], -1)
        size = images.shape[-1]
        log_sigma = log_top(squares, min(k, size), value.dtype)
        log_volume = log_sigma.sum(1)
        change = torch.where(log_volume == last, 0.0, (log_volume - last).abs())
        last = log_volume
        if size >= k:
            going = quiet < 2
            found[going], error[going] = log_sigma[going], change[going]
        if size >= input_dim:
            spectrum = TopSingularValues(found, error.where(quiet >= 2, 0.0), (size, cotangents))
            return Krylov(basis, squares, spectrum)
        # Twice in a row, the second time with random directions.
        settled = (size >= k + BLOCK) & ~(change >= tolerance)
        quiet = torch.where(quiet >= 2, 2, (quiet + 1) * settled)
        if bool((quiet >= 2).all()):
            return Krylov(basis, squares, TopSingularValues(found, error, (size, cotangents)))
        width = min(BLOCK, input_dim - size)
        pulled = in_float64(linear_map.vjp(orthonormal(image)[..., :width]))
        cotangents += width
        checking = (quiet == 1).to(pulled.device)[:, None, None]
        block = _beside(torch.where(checking, 0.0, pulled), basis)
        basis = torch.cat([basis, block], -1)


def _beside(columns: Tensor, basis: Tensor) -> Tensor:
    """Orthonormal columns [n, K, b] that span `columns` beside `basis`; where those lack rank, random ones do."""
    for _ in range(2):
        columns = columns - basis @ (basis.mT @ columns)
    # A breath of fixed noise fills the directions that are missing, without touching those that are there.
    stream = torch.Generator().manual_seed(basis.shape[-1])
    noise = torch.randn(columns.shape[1:], generator=stream, dtype=columns.dtype).to(columns.device)
    scale = columns.abs().amax((1, 2), keepdim=True).clamp(min=torch.finfo(columns.dtype).tiny)
    columns = columns / scale + 1e-10 * noise
    for _ in range(2):
        columns = torch.linalg.qr(columns - basis @ (basis.mT @ columns))[0]
    return columns
