"""Log-volumes of a handful of candidates, by the cheapest estimator that is good enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from polarprior.generator import Generator, Latents
from polarprior.jacobian.of_generator import JacobianFn
from polarprior.samplers.true_volumes import VolumeSolver
from polarprior.sweeps.kept_spectra import KeptSpectra, keys_of
from polarprior.sweeps.scores import BATCH
from polarprior.volume.estimators import TOLERANCE
from polarprior.volume.tangent_only import OVERSAMPLING

EXACT = 3
"""Times the directions of a sketch, which pass twice: at most half as much again is paid for an exact spectrum."""
SHARE = 0.25
"""What may be wrong, in standard deviations of the candidates: a tilt of t is then wrong by t / 4 between two of them
at most, and their ranks are hardly."""
ENOUGH = 8
"""Candidates from which on two of them may be solved twice, to know what the others are worth."""


@dataclass(frozen=True, eq=False)
class CandidateSpectra:
    """The spectra of M candidates.

    Attributes:
        log_sigma: float64 [M, k], descending.
        log_volume: float64 [M], nats.
        estimator: what gave them.
        error: what was found to be the error of a difference between two log-volumes, nats; 0 where they are exact.
        passes: passes through the network that these numbers take: JVPs and VJPs, times the evaluations of a chain.
        solved: how many of the candidates were not known yet.
    """

    log_sigma: np.ndarray
    log_volume: np.ndarray
    estimator: str
    error: float
    passes: int
    solved: int


class Candidates:
    """Latents to their spectra; what is solved is kept, see `KeptSpectra`.

    ``exact`` where K is at most `EXACT` times the directions of a ``sketch``, which pass twice, else ``sketch``. That
    misses nearly the same of all candidates: those of lowest and of highest log-volume are solved by
    ``block-lanczos`` besides, and all are moved by what is missed of these two on average. Where that differs by more
    than twice `tol`, all candidates are solved so; fewer than `ENOUGH` are from the start.

    Args:
        generator: the model.
        jacobian_fn: its Jacobian in z.
        space: where volume is measured.
        k: singular values.
        tol: error of a difference between two log-volumes that is accepted, nats; `SHARE` of their standard deviation
            if None.
        progress: show a bar on stderr.
    """

    def __init__(
        self,
        generator: Generator,
        jacobian_fn: JacobianFn,
        space: str,
        k: int,
        tol: float | None,
        progress: bool = False,
    ):
        self._generator, self._jacobian_fn = generator, jacobian_fn
        self._k, self._tol, self._progress = k, tol, progress
        self._kept = KeptSpectra(generator, space, k)
        self._solved: set[tuple[int, int]] = set()
        self._used: dict[str, int] = {}

    def __call__(self, latents: Latents) -> CandidateSpectra:
        """The spectra of M candidates.

        Raises:
            UsageError: k out of range.
            PluginError: a Jacobian holds NaN or infinity.
        """
        self._solved, self._used = set(), {}
        log_sigma, estimator, error, missed = self._found(latents)
        passes = sum(count * self._kept.passes[name] for name, count in self._used.items())
        return CandidateSpectra(
            log_sigma=log_sigma,
            log_volume=log_sigma.sum(1) + missed,
            estimator=estimator,
            error=error,
            passes=passes * self._generator.evaluations,
            solved=len(self._solved),
        )

    def _found(self, latents: Latents) -> tuple[np.ndarray, str, float, float]:
        """Spectra, the estimator, its error, and what it misses of a log-volume."""
        if self._generator.prior.dim <= EXACT * (self._k + OVERSAMPLING):
            return self._by("exact", latents), "exact", 0.0, 0.0
        if len(latents) >= ENOUGH:
            rough = self._by("sketch", latents)
            volumes = rough.sum(1)
            ends = np.array([volumes.argmin(), volumes.argmax()])
            with np.errstate(invalid="ignore"):
                missed = self._by("block-lanczos", latents[torch.from_numpy(ends)]).sum(1) - volumes[ends]
            error = float(abs(missed[1] - missed[0])) / 2
            if error <= (SHARE * float(volumes.std()) if self._tol is None else self._tol):
                return rough, "sketch", error, float(missed.mean())
        return self._by("block-lanczos", latents), "block-lanczos", TOLERANCE, 0.0

    def _by(self, estimator: str, latents: Latents) -> np.ndarray:
        keys = keys_of(latents)
        missing = [row for row, key in enumerate(keys) if self._kept.get(estimator, key) is None]
        self._used[estimator] = self._used.get(estimator, 0) + len(keys)
        solve = VolumeSolver(self._generator, self._jacobian_fn, self._k, estimator)
        with tqdm(total=len(missing), unit="latent", desc=estimator, disable=not (self._progress and missing)) as bar:
            for start in range(0, len(missing), BATCH):
                rows = missing[start : start + BATCH]
                spectra, solved = solve.spectra(latents[torch.tensor(rows)]), [keys[row] for row in rows]
                self._kept.put(estimator, solved, spectra, solve.passes)
                self._solved.update(solved)
                bar.update(len(rows))
        found = [self._kept.get(estimator, key) for key in keys]
        return np.stack([each for each in found if each is not None])
