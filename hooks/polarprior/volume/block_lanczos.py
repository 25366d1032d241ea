"""Block Golub-Kahan-Lanczos: as exact as one asks for, and the only estimate that knows its own error."""

from __future__ import annotations

import torch
from torch import Tensor

from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.orthogonal import gram, log_top, orthonormal
from polarprior.volume.spectrum import TopSingularValues

BLOCK = 4
TOLERANCE = 0.01
"""Nats of log-volume. The change over the last block bounds what is still missing once convergence is geometric."""


def block_lanczos(linear_map: LinearMap, k: int, start: Tensor) -> TopSingularValues:
    """Singular values of J on a Krylov space of J'J, grown by blocks of 4 until the log-volume stops moving.

    Golub, Luk, Overton 1981 (block Lanczos for singular values), with full reorthogonalisation, twice, in
    float64. Starts from the first 4 columns of `start` [K, K]; a batch goes on until its slowest latent has
    changed by less than `TOLERANCE`. A Krylov space can't see more copies of one singular value than its block
    has columns, so a block of random directions is then added, and only if nothing moves is that the end. The
    error is the last change, in nats.
    """
    n, input_dim = len(linear_map), linear_map.input_dim
    dtype = linear_map.value.dtype
    block = basis = start[:, :BLOCK].double().expand(n, -1, -1)
    images = basis.new_zeros(n, linear_map.output_dim, 0, dtype=dtype)
    last = torch.full((n,), torch.inf, dtype=torch.float64)
    cotangents, checking = 0, False
    while True:
        image = linear_map.jvp(block.to(dtype))
        images = torch.cat([images, image], -1)
        size = images.shape[-1]
        log_sigma = log_top(gram(images), min(k, size), dtype)
        log_volume = log_sigma.sum(1)
        change = torch.where(log_volume == last, 0.0, (log_volume - last).abs())
        last = log_volume
        if size >= input_dim:
            return TopSingularValues(log_sigma, torch.zeros_like(change), (size, cotangents))
        settled = size >= k + BLOCK and not bool((change >= TOLERANCE).any())
        if settled and checking:
            return TopSingularValues(log_sigma, change, (size, cotangents))
        checking = settled
        width = min(BLOCK, input_dim - size)
        if checking:
            block = _beside(torch.zeros_like(basis[..., :width]), basis)
        else:
            block = _beside(linear_map.vjp(orthonormal(image)[..., -width:]).double(), basis)
            cotangents += width
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
