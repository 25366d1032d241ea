"""Solving the units of a plan, wherever that happens."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polarprior.bank.format import Columns
from polarprior.building.plan import Plan, Unit
from polarprior.errors import PluginError, PolarPriorError, running_code
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash
from polarprior.host import HostName
from polarprior.jacobian.compiled import compiling
from polarprior.jacobian.memory import memory_limit
from polarprior.jacobian.of_generator import JacobianOf
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.calibration import Calibration
from polarprior.volume.spectra import Spectra


@dataclass(frozen=True, eq=False)
class Job:
    """What a worker is told.

    Attributes:
        plan: of the bank.
        calibration: where the estimator needs one.
        source, device: the model and where it works, as `polarprior.load` takes them.
        host: whose plugins load it, and take its Jacobians.
    """

    plan: Plan
    calibration: Calibration | None
    source: str
    device: str
    host: HostName

    def solver(self) -> Solver:
        """Load the model; PolarPriorError where it, or torch, isn't what the plan was made with."""
        host = self.host.host()
        with running_code("allowed"):  # or whoever made the job would not have opened it
            generator = host.load(self.source, self.device, **self.plan.settings.given())
        found = {"fingerprint": generator.fingerprint, "torch": torch.__version__, "device": generator.device.type}
        for field, here in found.items():
            if here != getattr(self.plan, field):
                planned = getattr(self.plan, field)
                raise PolarPriorError(
                    f"{self.source} on {socket.gethostname()}: {field} is {here}, the plan has {planned}",
                    "install and copy the same on each machine",
                )
        return Solver(generator, self.plan, self.calibration, host.jacobian_fn)


@dataclass(frozen=True, eq=False)
class Solved:
    """A unit and its columns, and what it took: seconds of the clock, and who did it."""

    unit: Unit
    columns: Columns
    seconds: float
    worker: str


class Solver:
    """Solves units of a plan with one generator."""

    def __init__(self, generator: Generator, plan: Plan, calibration: Calibration | None, jacobian_of: JacobianOf):
        self._generator = generator
        self._plan = plan
        jacobian_fn = jacobian_of(generator, plan.request.space, plan.request.domain)
        self._spectra = Spectra(jacobian_fn, plan.request.tol, calibration)

    @property
    def steps(self) -> str:
        """What a latent of the last unit took, of a model that is a chain of evaluations; empty of others."""
        evaluations, tangents = self._spectra.evaluations, sum(self._spectra.passes)
        return f"{evaluations} evaluations x {tangents} tangents" if evaluations > 1 else ""

    def __call__(self, unit: Unit) -> Solved:
        """Solve a unit.

        Returns:
            Of a part the columns ``latent_hash`` int64 [n], ``log_singular_values`` float32 [n, k] and, where it is
            exact, ``full_log_volume`` float64 [n]; of an audit ``log_volume`` and ``full_log_volume`` float64 [n].

        Raises:
            PluginError: the Jacobian of a latent holds NaN or infinity.
        """
        began = time.perf_counter()
        plan = self._plan
        estimator, chunk = ("exact", plan.audit_chunk) if unit.kind == "audit" else (plan.chosen, plan.chunk)
        k = plan.rank if estimator == "exact" else plan.request.k
        rows, hashes, spectra = plan.rows(unit), [], []
        with exact_arithmetic(), memory_limit(plan.request.memory), compiling(plan.request.compile):
            for start in range(0, len(rows), chunk):
                latents = self._draw(rows[start : start + chunk])
                hashes.append(latent_hash(latents.z))
                spectra.append(self._spectra(latents, k, estimator))
                self._check(rows[start : start + chunk], spectra[-1])
        log_sigma = torch.cat(spectra)
        columns: dict[str, np.ndarray] = {}
        if unit.kind == "part":
            columns["latent_hash"] = np.concatenate(hashes)
            columns["log_singular_values"] = log_sigma[:, : plan.request.k].numpy().astype(np.float32)
        else:
            columns["log_volume"] = log_sigma[:, : plan.request.k].sum(1).numpy()
        if estimator == "exact":
            columns["full_log_volume"] = log_sigma.sum(1).numpy()
        return Solved(unit, columns, time.perf_counter() - began, f"{socket.gethostname()}:{os.getpid()}")

    def _draw(self, rows: np.ndarray) -> Latents:
        return self._generator.prior.draw(self._plan.seeds(rows), self._plan.labels(rows))

    def _check(self, rows: np.ndarray, log_sigma: Tensor) -> None:
        """PluginError for NaN and +inf; -inf is a rank below k."""
        if not bool((log_sigma < torch.inf).all()):
            raise PluginError(
                f"{self._generator.plugin}: the Jacobian of seed {self._plan.seeds(rows)[0]} or one of the "
                f"{len(log_sigma) - 1} after it holds NaN or infinity",
                "look at that seed's picture; the model may need float32 or other settings",
            )
