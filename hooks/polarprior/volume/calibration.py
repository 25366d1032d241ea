"""Exact spectra of a few latents: where estimators should look, how far they are off, and what they cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from polarprior.generator import Generator
from polarprior.host import default_host
from polarprior.jacobian.linear_map import LinearMap
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.estimators import TOLERANCE, top_singular_values
from polarprior.volume.exact import full_gram
from polarprior.volume.orthogonal import log_top
from polarprior.volume.spectrum import check_k

LAST_SEED = 2**32
CANDIDATES = ("tangent-only", "balanced", "block-lanczos")
"""What ``auto`` chooses from, besides ``exact``."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a few exact Jacobians tell.

    Attributes:
        subspace: [K, K], orthonormal columns: the eigenvectors of the average J'J, the most stretched first.
        seeds: int64 [n], of the latents that were solved, the last there are, so that no bank holds them.
        log_sigma: float64 [n, k], their exact spectra.
        errors: estimator to the errors of its log-volume, float64, nats, on half of the latents, with the subspace
            of the other half.
        passes: estimator to the (JVPs, VJPs) a latent that it took there, the most of all latents.
        seconds: of one JVP and one VJP of one latent. Measured, so not the same each time.
        calibration_seconds: what all this took.
    """

    subspace: Tensor
    seeds: np.ndarray
    log_sigma: Tensor
    errors: dict[str, Tensor] = field(default_factory=dict)
    passes: dict[str, tuple[int, int]] = field(default_factory=dict)
    seconds: tuple[float, float] = (0.0, 0.0)
    calibration_seconds: float = 0.0

    def spread(self, estimator: str) -> float:
        """The largest error of `estimator`, nats, once its median is taken off: a constant drops out of weights."""
        errors = self.errors[estimator]
        return float((errors - errors.median()).abs().max())

    def cost(self, estimator: str) -> float:
        """Seconds a latent, by the passes it takes."""
        return sum(each * seconds for each, seconds in zip(self.passes[estimator], self.seconds, strict=True))

    def cheapest(self, tol: float) -> str:
        """The name of the cheapest estimator whose `spread` is within `tol`; ``exact`` always is."""
        return min((name for name in self.errors if self.spread(name) <= tol), key=self.cost, default="exact")


def calibrate(
    generator: Generator,
    space: str = "pixel",
    k: int = 30,
    n: int = 200,
    *,
    domain: str = "z",
    tol: float = TOLERANCE,
    progress: bool = False,
) -> Calibration:
    """Solve n latents of the model's own prior exactly, at K JVPs each, and try the estimators on half of them.

    The estimators see a Jacobian by its products alone, so a K x K factor of J'J stands in for it: trying them costs
    no pass through the network.

    Args:
        generator: the model; labels of a class-conditional one go round.
        space, domain: where volume is measured, and where latents live.
        k: singular values kept.
        n: latents.
        tol: for estimators that stop by it, nats.
        progress: show a bar with a rate and a time left, on stderr.

    Raises:
        UsageError: k or the space out of range.
    """
    began = time.perf_counter()
    check_k(k, generator.rank_bound)
    jacobian_fn = default_host().jacobian_fn(generator, space=space, domain=domain)
    seeds = np.arange(LAST_SEED - n, LAST_SEED)
    half = n // 2
    total: Tensor | float = 0.0
    spectra: list[Tensor] = []
    tried: dict[str, list[Tensor]] = {name: [] for name in ("exact", *CANDIDATES)}
    passes: dict[str, tuple[int, int]] = {}
    learned: Calibration | None = None
    bar = tqdm(seeds, unit="latent", desc="calibration", disable=not progress)
    with exact_arithmetic():
        for row, seed in enumerate(bar):
            label = None if generator.num_classes is None else row % generator.num_classes
            linear_map = jacobian_fn(generator.prior.draw([seed], label))
            check_k(k, min(generator.rank_bound, linear_map.output_dim))
            matrix = full_gram(linear_map)
            spectra.append(log_top(matrix, k, linear_map.value.dtype))
            if row == half:
                learned = Calibration(_subspace(total, matrix), seeds[:row], torch.cat(spectra[:row]))
            if learned is not None:
                small = _factor(matrix, linear_map)
                for name, errors in tried.items():
                    found = top_singular_values(small, k, estimator=name, calibration=learned, tol=tol)
                    errors.append(found.log_volume - spectra[-1].sum(1))
                    passes[name] = max(passes.get(name, (0, 0)), found.passes)
            total = total + matrix[0]
        seconds = _seconds_of_products(linear_map, k)
    return Calibration(
        subspace=_subspace(total, linear_map.value),
        seeds=seeds,
        log_sigma=torch.cat(spectra),
        errors={name: torch.cat(errors) for name, errors in tried.items()},
        passes=passes,
        seconds=seconds,
        calibration_seconds=time.perf_counter() - began,
    )


def _subspace(total: Tensor | float, like: Tensor) -> Tensor:
    matrix = total if isinstance(total, Tensor) else torch.eye(like.shape[-1], dtype=torch.float64)
    return torch.linalg.eigh(matrix)[1].flip(-1).to(like.dtype)


def _factor(gram: Tensor, linear_map: LinearMap) -> LinearMap:
    """R with R'R = J'J: what an estimator finds on R it finds on J."""
    eigenvalues, vectors = torch.linalg.eigh(gram)
    r = (eigenvalues.clamp(min=0).sqrt()[..., None] * vectors.mT).to(linear_map.value.dtype)
    return LinearMap(
        value=r[..., 0],
        input_dim=linear_map.input_dim,
        jvp=lambda tangents: r @ tangents,
        vjp=lambda cotangents: r.mT @ cotangents,
        prior=linear_map.prior,
    )


def _seconds_of_products(linear_map: LinearMap, k: int) -> tuple[float, float]:
    """Of one JVP and one VJP, from k at once; the second of two runs."""
    tangents = torch.eye(linear_map.input_dim, k).to(linear_map.value)[None]
    cotangents = linear_map.jvp(tangents)
    linear_map.vjp(cotangents)
    times = [time.perf_counter()]
    linear_map.jvp(tangents)
    times.append(time.perf_counter())
    linear_map.vjp(cotangents)
    times.append(time.perf_counter())
    return (times[1] - times[0]) / k, (times[2] - times[1]) / k
