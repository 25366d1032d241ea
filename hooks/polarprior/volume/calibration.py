"""Exact spectra of a few latents, for the estimators that need to know where to look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polarprior.generator import Generator
from polarprior.host import default_host
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.exact import full_gram
from polarprior.volume.orthogonal import log_top
from polarprior.volume.spectrum import check_k

LAST_SEED = 2**32


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a few exact Jacobians tell.

    Attributes:
        subspace: [K, K], orthonormal columns: the eigenvectors of the average J'J, the most stretched first.
        seeds: int64 [n], of the latents that were solved, the last there are, so that no bank holds them.
        log_sigma: float64 [n, k], their exact spectra.
    """

    subspace: Tensor
    seeds: np.ndarray
    log_sigma: Tensor


def calibrate(
    generator: Generator, space: str = "pixel", k: int = 30, n: int = 200, *, domain: str = "z"
) -> Calibration:
    """Solve n latents of the model's own prior exactly, at K JVPs each.

    Args:
        generator: the model; labels of a class-conditional one go round.
        space, domain: where volume is measured, and where latents live.
        k: singular values kept.
        n: latents.

    Raises:
        UsageError: k or the space out of range.
    """
    check_k(k, generator.rank_bound)
    jacobian_fn = default_host().jacobian_fn(generator, space=space, domain=domain)
    seeds = np.arange(LAST_SEED - n, LAST_SEED)
    total: Tensor | float = 0.0
    spectra = []
    with exact_arithmetic():
        for row, seed in enumerate(seeds):
            label = None if generator.num_classes is None else row % generator.num_classes
            linear_map = jacobian_fn(generator.prior.draw([seed], label))
            value = linear_map.value
            check_k(k, min(generator.rank_bound, linear_map.output_dim))
            matrix = full_gram(linear_map)
            total = total + matrix[0]
            spectra.append(log_top(matrix, k, value.dtype))
    subspace = torch.linalg.eigh(total)[1].flip(-1).to(value.dtype)
    return Calibration(subspace, seeds, torch.cat(spectra))
