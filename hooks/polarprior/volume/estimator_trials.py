"""Solving a few latents exactly, and trying the estimators on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from polarprior.generator import Generator
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.of_generator import JacobianFn, rank_of
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.calibration import Calibration
from polarprior.volume.estimators import TOLERANCE, top_singular_values
from polarprior.volume.exact import full_gram
from polarprior.volume.orthogonal import log_top
from polarprior.volume.spectrum import check_k

LAST_SEED = 2**32
EXACT_ARITHMETIC = ("exact", "tangent-only", "balanced", "block-lanczos")
IN_BFLOAT16 = "tangent-only-bfloat16"
"""What ``auto`` chooses from; the last only where the machine is faster at it."""
TIMED = 16
"""Products at once whose time is taken."""
REPEATS = 3
"""Times that are taken of a product: on a busy machine one alone says little."""


def calibrate(
    generator: Generator,
    jacobian_fn: JacobianFn,
    k: int,
    n: int,
    *,
    domain: str = "z",
    tol: float = TOLERANCE,
    progress: bool = False,
) -> Calibration:
    """Solve n latents of the model's own prior exactly, at K JVPs each, and try the estimators on half of them.

    The estimators see a Jacobian by its products alone, so a K x K factor of J'J stands in for it: trying them costs
    no pass through the network (but for bfloat16, whose rounding is in the passes).

    Args:
        generator: the model; labels of a class-conditional one go round.
        jacobian_fn: its Jacobian, from `domain`.
        k: singular values kept.
        n: latents.
        domain: where latents live.
        tol: for estimators that stop by it, nats.
        progress: show a bar with a rate and a time left, on stderr.

    Raises:
        UsageError: k out of range.
    """
    began = time.perf_counter()
    if domain == "z":
        check_k(k, generator.rank_bound)
    seeds = np.arange(LAST_SEED - n, LAST_SEED)
    total: Tensor | float = 0.0
    spectra: list[Tensor] = []
    trials: _Trials | None = None
    bar = tqdm(seeds, unit="latent", desc="calibration", disable=not progress)
    with exact_arithmetic():
        for row, seed in enumerate(bar):
            label = None if generator.num_classes is None else row % generator.num_classes
            linear_map = jacobian_fn(generator.prior.draw([seed], label))
            if row == 0:
                check_k(k, rank_of(generator, domain, linear_map))
                price = _Price.of(linear_map)
            matrix = full_gram(linear_map)
            spectra.append(log_top(matrix, k, linear_map.value.dtype))
            if row == n // 2:
                learned = Calibration(_subspace(total, matrix), seeds[:row], torch.cat(spectra[:row]))
                trials = _Trials(learned, k, tol, price.half_jvp < price.jvp)
            if trials is not None:
                trials.add(linear_map, matrix, spectra[-1].sum(1))
            total = total + matrix[0]
    assert trials is not None  # there is a row n // 2
    return Calibration(
        subspace=_subspace(total, linear_map.value),
        seeds=seeds,
        log_sigma=torch.cat(spectra),
        errors={name: torch.cat(seen) for name, seen in trials.errors.items()},
        passes=trials.passes,
        seconds={name: price.total(name, passes) for name, passes in trials.passes.items()},
        calibration_seconds=time.perf_counter() - began,
    )


class _Trials:
    """The estimators on latents whose exact log-volumes are known.

    Args:
        learned: a calibration on other latents.
        k, tol: see `calibrate`.
        in_bfloat16: try tangents in bfloat16 as well.

    Attributes:
        errors: estimator to the errors of its log-volume, [1] a latent.
        passes: estimator to the (JVPs, VJPs) that it took, the most of all latents.
    """

    def __init__(self, learned: Calibration, k: int, tol: float, in_bfloat16: bool):
        self._learned, self._k, self._tol = learned, k, tol
        names = [*EXACT_ARITHMETIC, *([IN_BFLOAT16] if in_bfloat16 else [])]
        self.errors: dict[str, list[Tensor]] = {name: [] for name in names}
        self.passes: dict[str, tuple[int, int]] = dict.fromkeys(names, (0, 0))

    def add(self, linear_map: LinearMap, gram: Tensor, exact: Tensor) -> None:
        """Try all on one latent: J, J'J [1, K, K], and its exact log-volume [1]."""
        small = _factor(gram, linear_map)
        for name, seen in self.errors.items():
            which = linear_map if name == IN_BFLOAT16 else small
            found = top_singular_values(which, self._k, estimator=name, calibration=self._learned, tol=self._tol)
            alike = found.log_volume == exact  # both may be -inf: they say that the rank is less than k
            seen.append(torch.where(alike, 0.0, found.log_volume - exact))
            self.passes[name] = max(self.passes[name], found.passes)


@dataclass(frozen=True)
class _Price:
    """Seconds of one JVP, one VJP and one JVP in bfloat16, of one latent."""

    jvp: float
    vjp: float
    half_jvp: float

    @classmethod
    def of(cls, linear_map: LinearMap) -> _Price:
        tangents = torch.eye(linear_map.input_dim, TIMED).to(linear_map.value)[None]
        cotangents = linear_map.jvp(tangents)
        half = linear_map.bfloat16() if linear_map.bfloat16 else None
        return cls(
            jvp=_seconds(lambda: linear_map.jvp(tangents)),
            vjp=_seconds(lambda: linear_map.vjp(cotangents)),
            half_jvp=_seconds(lambda: half.jvp(tangents)) if half else float("inf"),
        )

    def total(self, estimator: str, passes: tuple[int, int]) -> float:
        jvp = self.half_jvp if estimator == IN_BFLOAT16 else self.jvp
        return passes[0] * jvp + passes[1] * self.vjp


def _seconds(run: Callable[[], Tensor]) -> float:
    """What one of `TIMED` products takes, the fastest time of `REPEATS`, after one that warms up."""
    times = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        float(run().sum())  # on a GPU the sum waits for its result
        times.append(time.perf_counter() - began)
    return min(times[1:]) / TIMED


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
        start=linear_map.start,
    )
