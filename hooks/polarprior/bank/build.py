"""Building a bank: draw seeds from the model's own prior, take each one's spectrum, and audit some of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from polarprior.bank.bank import Bank
from polarprior.bank.info import BankInfo
from polarprior.checks import check_behaves, check_differentiates
from polarprior.errors import PluginError, UsageError
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash
from polarprior.host import default_host
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.memory import Halving, memory_limit
from polarprior.jacobian.of_generator import JacobianFn
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.audit import AUDITED, Audit, audit, audited_rows
from polarprior.volume.calibrating import IN_BFLOAT16, calibrate
from polarprior.volume.calibration import Calibration
from polarprior.volume.estimators import AUTO, TOLERANCE, check_estimator, top_singular_values
from polarprior.volume.spectrum import check_k
from polarprior.volume.tangent_only import in_bfloat16

CHUNK_NUMBERS = 10_000_000
"""Numbers in the Jacobians that are taken at once, and so memory. Part of what fixes a bank's bytes."""
COPIES = 2
"""Bytes of memory that a byte of a Jacobian takes: itself, and what it is made from."""
NEED_CALIBRATION = (AUTO, "tangent-only", IN_BFLOAT16, "balanced")
"""What falls short by an amount that only exact spectra tell, and starts from a subspace that they give."""
CALIBRATED, CALIBRATED_WITH_PRIOR = 200, 40
"""Latents that are solved for it; less where the Jacobians know themselves where to start."""
PROBED = 4
"""Latents whose Jacobians are tried before anything long starts."""


def build_bank(
    generator: Generator,
    n: int,
    k: int = 30,
    *,
    space: str = "pixel",
    domain: str = "z",
    classes: Sequence[int] | None = None,
    seeds_from: int = 0,
    estimator: str | None = None,
    tol: float = TOLERANCE,
    memory: int | None = None,
    progress: bool = False,
) -> Bank:
    """Take the spectra of n latents of the model's own prior.

    Args:
        generator: the model; its settings are the bank's.
        n: rows in all. Row i has seed ``seeds_from + i``.
        k: singular values a row, 1 to the rank bound of the Jacobian.
        space: where volume is measured.
        domain: where latents live.
        classes: of a class-conditional model: row i has class ``classes[i % len(classes)]``; all where None.
        seeds_from: the first seed.
        estimator: see `polarprior.volume.estimators.top_singular_values`; None for `default_estimator`. ``auto`` is
            ``exact`` up to 500 latents, which is what calibration and audit of another would solve.
        tol: largest error of a log-volume that is accepted, nats. Up to 300 random rows are solved exactly, and
            the bank's metadata says what was found.
        memory: bytes of working memory that Jacobian products may take; where memory runs out, less is used.
        progress: show a bar with a rate and a time left, on stderr.

    Returns:
        A Bank in memory; ``bank.save(path)`` writes it.

    Raises:
        UsageError: n, k, a class, the space, the estimator, its tolerance or the memory out of range.
        PluginError: the generator draws noise inside or couples its batch, or its Jacobian holds NaN or infinity,
            is zero, or can't be taken.
    """
    if not (n >= 1 and 0 <= seeds_from <= 2**32 - n):
        raise UsageError(
            f"-n, --seeds-from: got {n} seeds from {seeds_from}, expected at least one, within 0 to 4294967295",
            "use such as -n 10000",
        )
    seeds = np.arange(seeds_from, seeds_from + n, dtype=np.int64)
    labels = _labels(generator, n, classes)
    check_k(k, generator.rank_bound)
    check_estimator(estimator or "exact", tol)

    def draw(rows: slice | np.ndarray) -> Latents:
        return generator.prior.draw(seeds[rows], None if labels is None else labels[rows])

    jacobian_fn = default_host().jacobian_fn(generator, space=space, domain=domain)
    first = jacobian_fn(draw(slice(0, PROBED)))
    rank = min(generator.rank_bound, first.output_dim)
    check_k(k, rank)
    check_behaves(generator)
    check_differentiates(first, generator.plugin)
    name = estimator or default_estimator(first.input_dim, k)
    if name == AUTO and n <= CALIBRATED + AUDITED:
        name = "exact"  # what anything else would solve exactly, to be chosen and audited, is more than n
    if name == IN_BFLOAT16:
        in_bfloat16(first)  # or an error, before the calibration
    columns = first.input_dim if name in ("exact", AUTO) else min(2 * k + 18, first.input_dim)
    at_once = _latents_at_once(first, columns, memory)
    audited_at_once = _latents_at_once(first, first.input_dim, memory)

    with exact_arithmetic(), memory_limit(memory):
        calibration = None
        if name in NEED_CALIBRATION:
            size = CALIBRATED if first.prior is None else CALIBRATED_WITH_PRIOR
            calibration = calibrate(generator, space, k, size, jacobian_fn=jacobian_fn, tol=tol, progress=progress)
        plan = _Plan(jacobian_fn, draw, k, rank, name, calibration, tol)
        spectra = np.empty((n, k), np.float32)
        full = np.empty(n)
        hashes = np.empty(n, np.int64)
        with tqdm(total=n, unit="latent", desc="bank", disable=not progress) as bar:
            for start in range(0, n, at_once):
                rows = slice(start, start + at_once)
                hashes[rows] = latent_hash(draw(rows).z)
                log_sigma = plan.solve(np.arange(n)[rows], plan.estimator, at_once)
                if not _valid(log_sigma):
                    raise PluginError(
                        f"{generator.plugin}: the Jacobian of seed {seeds[start]} or one of the "
                        f"{len(log_sigma) - 1} after it holds NaN or infinity",
                        "look at that seed's picture; the model may need float32 or other settings",
                    )
                spectra[rows] = log_sigma[:, :k].numpy()
                full[rows] = log_sigma.sum(1).numpy()
                bar.update(len(log_sigma))
        found = plan.audited(spectra.sum(1, dtype=np.float64), full, audited_at_once, progress)

    info = BankInfo(
        plugin=generator.plugin,
        plugin_version=generator.version,
        fingerprint=generator.fingerprint,
        prior=generator.prior.name,
        latent_shape=generator.prior.shape,
        num_classes=generator.num_classes,
        domain=domain,
        space=space,
        settings=generator.settings,
        k=k,
        estimator={**plan.described(chosen=estimator == AUTO), **found.to_dict()},
        dtype=str(generator.dtype).removeprefix("torch."),
        torch=torch.__version__,
        licence=generator.licence,
    )
    tensors: dict[str, np.ndarray] = {"seeds": seeds, "latent_hash": hashes, "log_singular_values": spectra}
    return Bank.of(info, tensors if labels is None else {**tensors, "labels": labels})


def default_estimator(input_dim: int, k: int) -> str:
    """``exact`` where K <= 1.5 k + 60, else ``block-lanczos``: a rule, never a timing."""
    return "exact" if input_dim <= 1.5 * k + 60 else "block-lanczos"


@dataclass(frozen=True, eq=False)
class _Plan:
    """How rows are solved."""

    jacobian_fn: JacobianFn
    draw: Callable[[slice | np.ndarray], Latents]
    k: int
    rank: int
    name: str
    calibration: Calibration | None
    tol: float
    halving: Halving = field(default_factory=Halving)

    @property
    def estimator(self) -> str:
        """The name; what ``auto`` chose."""
        if self.name == AUTO and self.calibration is not None:
            return self.calibration.cheapest(self.tol)
        return self.name

    def solve(self, rows: np.ndarray, estimator: str, at_once: int) -> Tensor:
        """Spectra of `rows`, [n, k]; of an exact one all there is."""
        wanted = self.rank if estimator == "exact" else self.k

        def run(size: int) -> Tensor:
            parts = [
                top_singular_values(
                    self.jacobian_fn(self.draw(rows[i : i + size])),
                    wanted,
                    estimator=estimator,
                    calibration=self.calibration,
                    tol=self.tol,
                ).log_sigma
                for i in range(0, len(rows), size)
            ]
            return torch.cat(parts)

        return self.halving(run, min(at_once, len(rows)))

    def audited(self, log_volume: np.ndarray, full: np.ndarray, at_once: int, progress: bool) -> Audit:
        """The audit of rows with these log-volumes; of an exact bank it compares l_k with `full` only."""
        rows = audited_rows(len(log_volume))
        if self.estimator == "exact":
            return audit(log_volume[rows], log_volume[rows], full[rows], offset=0.0, tol=self.tol)
        exact = []
        with tqdm(total=len(rows), unit="latent", desc="audit", disable=not progress) as bar:
            for block in np.array_split(rows, -(-len(rows) // at_once)):
                exact.append(self.solve(block, "exact", at_once))
                bar.update(len(block))
        truth = torch.cat(exact).numpy()
        return audit(log_volume[rows], truth[:, : self.k].sum(1), truth.sum(1), offset=self._offset(), tol=self.tol)

    def _offset(self) -> float:
        if self.calibration is None:
            return 0.0
        return float(self.calibration.errors[self.estimator].median())

    def described(self, chosen: bool) -> dict[str, Any]:
        """For the bank's metadata."""
        described: dict[str, Any] = {"name": self.estimator, "tolerance": self.tol}
        if self.estimator == "exact":
            described["tolerance"] = 0.0
        if chosen:
            described["chosen_by"] = AUTO
        if chosen and self.calibration is not None:
            described |= {
                "calibrated_on": len(self.calibration.seeds),
                **{f"calibrated_error_{name}": self.calibration.spread(name) for name in self.calibration.errors},
            }
        return described


def _latents_at_once(first: LinearMap, columns: int, memory: int | None) -> int:
    """How many Jacobians are held at once: what fits into `CHUNK_NUMBERS`, and into `memory`.

    Raises:
        UsageError: not even one fits into `memory`.
    """
    numbers = columns * first.output_dim
    size = COPIES * numbers * first.value.element_size()
    if memory is not None and memory < size:
        raise UsageError(
            f"--memory: got {memory} bytes, expected at least {size}: one Jacobian is {first.output_dim} x {columns}",
            f"use --memory {-(-size // 2**20)}M",
        )
    chunk = max(1, min(4096, CHUNK_NUMBERS // numbers))
    return chunk if memory is None else min(chunk, memory // size)


def _labels(generator: Generator, n: int, classes: Sequence[int] | None) -> np.ndarray | None:
    """The class of each row, int64 [n]; None for a model without classes."""
    if generator.num_classes is None and classes is None:
        return None
    cycle = np.asarray(range(generator.num_classes or 0) if classes is None else classes, np.int64)
    if not cycle.size:
        raise UsageError("--class: got no class", "name some, or leave it out for all")
    generator.check_label(torch.from_numpy(cycle))
    return np.resize(cycle, n)


def _valid(log_sigma: torch.Tensor) -> bool:
    """Neither NaN nor +inf; -inf is a rank below k."""
    return bool((log_sigma < torch.inf).all())
