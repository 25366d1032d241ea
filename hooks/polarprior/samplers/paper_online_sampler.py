"""Algorithm 2 of the polarity paper's supplement, as it is published: for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from polarprior.bank.bank import Bank
from polarprior.errors import UsageError
from polarprior.generator import Generator, Latents
from polarprior.jacobian.of_generator import JacobianOf
from polarprior.law.diagnostics import least_trusted, refuse_or_warn
from polarprior.law.geometry import Geometry
from polarprior.law.law import Law, check_law, described_laws, resolve
from polarprior.law.rows import Source, labels_asked_for, rows_of_bank
from polarprior.law.tilt import rho_at
from polarprior.samplers.contract import SamplerOptions
from polarprior.samplers.fresh import FreshSampler, Screened
from polarprior.samplers.true_volumes import LogVolumes

LENGTHS = 9
"""A stream has that many times the bank's rows: one in exp(9) is expected to end without a draw."""


@dataclass(frozen=True, eq=False)
class PaperAcceptance:
    """Accepts z with probability sigma_z^rho / (sigma_z^rho + sum of sigma_i^rho over the bank), sigma = exp(l).

    Source: polarity paper, supplement, Algorithm 2. Its numerator is printed as sigma_z squared; that has another law
    at any rho but 2 and is taken for a misprint. It takes the true log-volume of every proposal, accepts about one in
    N, and its law is p · w / (w + sum of w_i): biased to the prior wherever w is not small beside the sum.
    """

    law: Law
    log_sum: float
    length: int
    expected_pass: float = 1.0

    def screen(self, latents: Latents) -> Screened:
        """Nothing is screened."""
        even = np.zeros(len(latents))
        return Screened(even, even, even[:, None][:, :0])

    def log_correction(self, log_volume: np.ndarray, screened: Screened) -> np.ndarray:
        """log of w / (w + sum of w_i)."""
        log_w = self.law.log_weight(log_volume)
        return log_w - np.logaddexp(log_w, self.log_sum)


class PaperOnlineSampler(FreshSampler):
    """See `PaperAcceptance`. The arguments are those of `polarprior.samplers.online_sampler.OnlineSampler`.

    Raises:
        UsageError: a support, something held, or a joint law: the published algorithm has none of them.
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
        if options.support != "prior" or options.held:
            raise UsageError(
                "support, hold: the paper's online sampler has none", "leave them out, or use sampler=online"
            )
        if options.joint:
            raise UsageError("joint: the paper's online sampler draws within a class", "use sampler=online")
        check_law(rho, options.support, options.held)
        k = bank.info.k if options.k is None else options.k
        acceptances: dict[int | None, PaperAcceptance] = {}
        self._laws: dict[int | None, Law] = {}
        for label in labels_asked_for(bank, options.label):
            known = rows_of_bank(bank, k, label, bank.rows_of(label), (), Source(generator, geometry))
            law = resolve(rho_at(rho, options.tilt, bank, k, label), k, known)
            log_sum = float(logsumexp(law.log_weight(known.log_volume)))
            acceptances[label] = PaperAcceptance(law, log_sum, LENGTHS * len(known.log_volume))
            self._laws[label] = law
        diagnostics = least_trusted([each.law.diagnostics for each in acceptances.values()])
        refuse_or_warn(diagnostics, options.force, options.tilt is not None)
        log_volumes = LogVolumes(generator, bank, k, jacobian_of)
        super().__init__(generator, bank, log_volumes, acceptances, diagnostics, geometry)

    def described(self) -> dict[str, Any]:
        """For metadata: the law of each class, of which this sampler draws a biased version."""
        return {"laws": described_laws(self._laws)}
