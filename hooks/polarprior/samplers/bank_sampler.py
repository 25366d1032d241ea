"""The bank sampler: Algorithm 1 of the polarity paper, in log space, with replacement."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.errors import UsageError
from polarprior.hashing import latent_hash, uniforms
from polarprior.law.diagnostics import Diagnostics, least_trusted, refuse_or_warn
from polarprior.law.geometry import Geometry
from polarprior.law.joint import check_joint, shares_of
from polarprior.law.law import Law, check_law, described_laws, resolve
from polarprior.law.limits import limits_on
from polarprior.law.rows import Rows, Source, check_asked_for, labels_asked_for, part_of, rows_of_bank
from polarprior.law.tilt import rho_at
from polarprior.samplers.contract import Redrawing, SamplerOptions
from polarprior.samplers.coupling import MaximalCoupling
from polarprior.samplers.leaving import warn_if_it_leaves

if TYPE_CHECKING:
    from torch import Tensor

    from polarprior.generator import Generator, Latents
    from polarprior.jacobian.of_generator import JacobianOf


class _Group(NamedTuple):
    """Rows that are drawn from together, such as those of a class: int64 [n], ascending, None where they are all; and
    their coupling."""

    rows: np.ndarray | None
    coupling: MaximalCoupling

    def drawn(self, own: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The bank's row for latents that are the rows `own` of the bank, -1 for none, int64 [n]; u as in
        `MaximalCoupling.rows`."""
        if self.rows is None:
            return self.coupling.rows(own, u)
        places = np.searchsorted(self.rows, own).clip(max=len(self.rows) - 1)
        return self.rows[self.coupling.rows(np.where(self.rows[places] == own, places, -1), u)]


class WeightedBank:
    """A bank at one rho: which row each stock latent becomes.

    Where the bank has classes, weights are within the class, so that the class marginal never moves. Those of a joint
    law are over all rows, and classes that it prefers become more frequent.

    Args:
        bank: the bank.
        rho: the polarity.
        options: k, draws, label, support, hold, force, joint and tilt.
        generator: what made it; needed for a shell, and to hold statistics.
        geometry: of its prior; what the generator says of itself where None.

    Attributes:
        laws: the law of each class, None standing for no classes, and for all of them in a joint law.
        diagnostics: of ``options.label``, or of the class that can be trusted least (outside its limits, then lowest
            ESS a row) where there are classes and none is named.

    Raises:
        UsageError: rho not finite, k more than the bank holds, no such support or statistic.
        BankError: a bank without a row of full rank.
        PolarPriorError: rho outside the limits and `options.force` not set; statistics that can't be held.
    """

    def __init__(
        self,
        bank: Bank,
        rho: float,
        options: SamplerOptions | None = None,
        generator: Generator | None = None,
        geometry: Geometry | None = None,
    ):
        options = options or SamplerOptions()
        self._bank = bank
        k = bank.info.k if options.k is None else options.k
        bank.log_volume(k)  # or an error of k
        check_law(rho, options.support, options.held)
        self._k, self._options = k, options
        self._groups: dict[int | None, _Group] = {}
        self._known: dict[int | None, Rows] = {}
        self.laws: dict[int | None, Law] = {}
        source = Source(generator, geometry)
        for label in [None] if options.joint else labels_asked_for(bank, options.label):
            rows = bank.rows_of(label)
            known = rows_of_bank(bank, k, label, rows, options.held, source, options.joint)
            self._known[label] = known
            limits = partial(limits_on, bank, k, label, options.draws)
            held, draws = len(options.held), options.draws
            its_rho = rho_at(rho, options.tilt, bank, k, label, options.joint)
            law = resolve(its_rho, k, known, support=options.support, held=held, draws=draws, limits=limits)
            self.laws[label] = law
            whole = label is None and bool(law.inside.all())
            shares = None if known.labels is None else shares_of(known.labels[law.inside])
            coupling = MaximalCoupling(law.weights.values, shares)
            self._groups[label] = _Group(None if whole else rows[law.inside], coupling)
        self.diagnostics = least_trusted([law.diagnostics for law in self.laws.values()])
        refuse_or_warn(self.diagnostics, options.force, options.tilt is not None)

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
        classes = [None] if labels is None else np.unique(labels).tolist()
        prepared = labels_asked_for(self._bank, None) if self._options.joint else self._groups
        for label in classes:
            check_asked_for(self._bank, label, prepared)
        own = self._bank.rows_by_hash(hashes, np.zeros(len(hashes), np.int64) if labels is None else labels)
        for label in [None] if self._options.joint else classes:
            mine = np.ones(len(hashes), bool) if labels is None or label is None else labels == label
            drawn[mine] = self._groups[label].drawn(own[mine], u[mine])
        return drawn

    def on(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The law on some rows of the class that was asked for; see `polarprior.samplers.contract.Weighted`."""
        options = self._options
        within = np.searchsorted(self._bank.rows_of(options.label), rows)
        known = part_of(self._known[options.label], within)
        law = resolve(self.laws[options.label].rho, self._k, known, support=options.support, held=len(options.held))
        return rows[law.inside], law.weights.values


class BankSampler(Redrawing):
    """Latents of the polarity prior, each a row of the bank.

    A stock latent that is a row of the bank stays itself with probability min(1, N w_i) (see
    `polarprior.samplers.coupling`), so that as rho goes to 0 every stock picture stays itself.
    """

    def __init__(
        self,
        generator: Generator,
        bank: Bank,
        rho: float,
        options: SamplerOptions,
        jacobian_of: JacobianOf,
        geometry: Geometry | None = None,
    ):
        bank.check_fits(generator)
        if options.joint:
            check_joint(generator, bank, options.label)
        self._generator = generator
        self._bank = bank
        self._joint = options.joint
        self._weighted = WeightedBank(bank, rho, options, generator, geometry)
        warn_if_it_leaves(generator, bank, self._weighted.diagnostics, jacobian_of, geometry)

    @property
    def diagnostics(self) -> Diagnostics:
        """How far the draws can be trusted."""
        return self._weighted.diagnostics

    def weighted(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `polarprior.samplers.contract.Weighted`."""
        return self._weighted.on(rows)

    def described(self) -> dict[str, Any]:
        """For metadata: the law of each class."""
        return {"laws": described_laws(self._weighted.laws)}

    def redraw(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """See `Redrawing`."""
        import torch

        from polarprior.generator import Latents

        self._generator.check(Latents(z, label))
        hashes = latent_hash(z)
        rows = self._weighted.rows(hashes, None if label is None else label.cpu().numpy())
        if self._joint and label is not None and self._bank.labels is not None:
            label = torch.from_numpy(self._bank.labels[rows]).to(label.device)
        drawn = z.clone()
        moved = np.flatnonzero(self._bank.latent_hash[rows] != hashes)
        if moved.size:
            fresh = self._generator.prior.draw(self._bank.seeds[rows[moved]]).z
            drawn[torch.from_numpy(moved)] = fresh.to(device=z.device, dtype=z.dtype)
        return Latents(drawn, label)

    def seeds_of(self, latents: Latents) -> list[int | None]:
        """The seeds that give these draws; None for a latent that is no row of the bank."""
        labels = np.zeros(len(latents), np.int64) if latents.label is None else latents.label.cpu().numpy()
        rows = self._bank.rows_by_hash(latent_hash(latents.z), labels)
        return [int(self._bank.seeds[row]) if row >= 0 else None for row in rows]


def drawn_seeds(bank: Bank, rho: float, n: int, options: SamplerOptions) -> tuple[list[int], Diagnostics]:
    """What the bank's first n seeds (of the class) become, without a model, and how far that can be trusted.

    Raises:
        UsageError: n out of range, or no class where the bank has some.
        PolarPriorError: rho is outside the bank's limits.
    """
    if options.label is None and bank.labels is not None:
        raise UsageError("label: got none, the bank has classes", "name one of them")
    rows = bank.rows_of(options.label)
    if not 1 <= n <= len(rows):
        raise UsageError(f"n: got {n}, expected 1 to {len(rows)}, the rows of the bank", "build a larger bank")
    weighted = WeightedBank(bank, rho, options)
    labels = None if bank.labels is None else bank.labels[rows[:n]]
    drawn = weighted.rows(bank.latent_hash[rows[:n]], labels)
    return bank.seeds[drawn].tolist(), weighted.diagnostics
