"""The bank sampler: Algorithm 1 of the polarity paper, in log space, with replacement."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.errors import BankError, PolarPriorError, UsageError
from polarprior.hashing import latent_hash, uniforms
from polarprior.prior.coupling import MaximalCoupling
from polarprior.prior.diagnostics import Diagnostics, diagnose
from polarprior.prior.limits import limits_on
from polarprior.prior.sampler import SamplerOptions
from polarprior.prior.weights import polarity_weights

if TYPE_CHECKING:
    from torch import Tensor

    from polarprior.generator import Generator, Latents


class _Class(NamedTuple):
    """The rows of a class, int64 [n], ascending, None where they are all; their order by hash; their coupling."""

    rows: np.ndarray | None
    by_hash: np.ndarray
    coupling: MaximalCoupling


class WeightedBank:
    """A bank at one rho: which row each stock latent becomes. Needs no generator, and no torch.

    Where the bank has classes, weights are within the class: the class marginal never moves.

    Attributes:
        diagnostics: of the rho asked for; of ``options.label``, or of the class that can be trusted least
            (outside its limits, then lowest ESS a row) where there are classes and none is named.

    Raises:
        UsageError: rho not finite, k more than the bank holds.
        BankError: a bank without a row of full rank.
        PolarPriorError: rho outside the limits and `options.force` not set.
    """

    def __init__(self, bank: Bank, rho: float, options: SamplerOptions | None = None):
        options = options or SamplerOptions()
        if not np.isfinite(rho):
            raise UsageError(f"--polarity: got {rho}, expected a finite number", "use such as --polarity=-0.1")
        self._bank = bank
        k = bank.info.k if options.k is None else options.k
        log_volume = bank.log_volume(k)
        wanted = [options.label]
        if bank.labels is not None and options.label is None:
            wanted = np.unique(bank.labels).tolist()
        self._classes: dict[int | None, _Class] = {}
        reports = []
        for label in wanted:
            rows = None if label is None else bank.rows_of(label)
            volumes = log_volume if rows is None else log_volume[rows]
            if not np.isfinite(volumes).any():
                raise BankError(
                    f"bank: no latent has {k} nonzero singular values"
                    + (f" in class {label}" if label is not None else ""),
                    "use a smaller k: -k " + str(max(1, k // 2)),
                )
            weights = polarity_weights(volumes, rho)
            by_hash = bank.by_hash() if rows is None else np.argsort(bank.latent_hash[rows])
            self._classes[label] = _Class(rows, by_hash, MaximalCoupling(weights.values))
            limits = limits_on(bank, k, label, options.draws)
            reports.append(diagnose(volumes, rho, k, options.draws, label, limits, weights))
        self.diagnostics: Diagnostics = min(
            reports, key=lambda report: (report.within_limits, report.ess / report.rows)
        )
        complaint = self.diagnostics.complaint()
        if complaint and not options.force:
            raise PolarPriorError(*complaint)
        if complaint:
            warnings.warn(complaint[0], stacklevel=3)

    def rows(self, hashes: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """The bank's row for each stock latent.

        Args:
            hashes: `latent_hash` of the stock latents, int64 [n].
            labels: their classes, int64 [n]; None exactly where the bank has none.

        Returns:
            int64 [n].
        """
        drawn = np.empty(len(hashes), np.int64)
        u = uniforms(hashes, 2)
        for label in [None] if labels is None else np.unique(labels).tolist():
            mine = np.ones(len(hashes), bool) if labels is None else labels == label
            if label not in self._classes:
                self._bank.rows_of(label)  # says so where the bank has no such class
                raise UsageError(f"class: got {label}, asked for {list(self._classes)}", "ask for all: label=None")
            rows, _, coupling = self._classes[label]
            picked = coupling.rows(self._own(hashes[mine], label), u[mine])
            drawn[mine] = picked if rows is None else rows[picked]
        return drawn

    def _own(self, hashes: np.ndarray, label: int | None) -> np.ndarray:
        """Which row of the class each hash is, counted within the class; -1 where it is none."""
        rows, by_hash, _ = self._classes[label]
        known = self._bank.latent_hash if rows is None else self._bank.latent_hash[rows]
        found = by_hash[np.searchsorted(known, hashes, sorter=by_hash).clip(max=len(known) - 1)]
        return np.where(known[found] == hashes, found, -1)


class BankSampler:
    """Latents of the polarity prior, each a row of the bank.

    A stock latent that is a row of the bank stays itself with probability min(1, N w_i) (see
    `polarprior.prior.coupling`), so that as rho goes to 0 every stock picture stays itself.
    """

    def __init__(self, generator: Generator, bank: Bank, rho: float, options: SamplerOptions):
        bank.check_fits(generator)
        self._generator = generator
        self._bank = bank
        self._weighted = WeightedBank(bank, rho, options)

    @property
    def diagnostics(self) -> Diagnostics:
        """How far the draws can be trusted."""
        return self._weighted.diagnostics

    def redraw(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """Latents of the polarity prior for stock latents.

        Args:
            z: [n, *shape], drawn from the model's own prior.
            label: int64 [n], exactly where the model has classes; it comes back unchanged.

        Returns:
            Latents on the device and in the dtype of z.
        """
        import torch

        from polarprior.generator import Latents

        self._generator.check(Latents(z, label))
        hashes = latent_hash(z)
        rows = self._weighted.rows(hashes, None if label is None else label.cpu().numpy())
        drawn = z.clone()
        moved = np.flatnonzero(self._bank.latent_hash[rows] != hashes)
        if moved.size:
            fresh = self._generator.prior.draw(self._bank.seeds[rows[moved]]).z
            drawn[torch.from_numpy(moved)] = fresh.to(device=z.device, dtype=z.dtype)
        return Latents(drawn, label)

    def sample(self, seeds: Any, label: Any = None) -> Latents:
        """The latents that stock seeds become, n for n seeds; `label` int or [n] where there are classes."""
        stock = self._generator.prior.draw(seeds, label)
        return self.redraw(stock.z, stock.label)
