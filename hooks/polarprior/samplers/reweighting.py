"""The host's samplers by name: building blocks for `get_latent_sampler` of a model's plugin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from polarprior.errors import BankError
from polarprior.samplers.bank_sampler import BankSampler
from polarprior.samplers.contract import SAMPLERS
from polarprior.samplers.online_sampler import OnlineSampler
from polarprior.samplers.paper_online_sampler import PaperOnlineSampler

if TYPE_CHECKING:
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.jacobian.of_generator import JacobianOf
    from polarprior.law.geometry import Geometry
    from polarprior.samplers.contract import LatentSampler, SamplerOptions

OWN = (BankSampler, OnlineSampler, PaperOnlineSampler)
"""In the order of `SAMPLERS`."""


def reweighting_sampler(
    generator: Generator,
    bank: Bank | None,
    rho: float,
    options: SamplerOptions,
    jacobian_of: JacobianOf,
    geometry: Geometry | None = None,
) -> LatentSampler | None:
    """The sampler `bank`, `online` or `paper-online` of p(z) exp(rho · l(z)).

    Args:
        generator: whose prior is reweighted.
        bank: spectra of its latents.
        rho: the polarity.
        options: of the sampler; None is returned where it names another.
        jacobian_of: gives true log-volumes: ``host.jacobian_fn``.
        geometry: how long latents of the prior are, and how unlikely others: what ``support=shell`` and the warning
            of leaving it go by. What the generator says of itself where None.

    Raises:
        UsageError: an argument out of range.
        BankError: no bank, or one that doesn't fit the generator or its settings.
        PolarPriorError: rho is outside the bank's limits.
    """
    if options.sampler not in SAMPLERS:
        return None
    if bank is None:
        raise BankError(f"bank: the {options.sampler} sampler needs one, got none", "add bank=BANK")
    makers: dict[str, Callable[..., LatentSampler]] = dict(zip(SAMPLERS, OWN, strict=True))
    return makers[options.sampler](generator, bank, rho, options, jacobian_of, geometry)
