"""The rivals by name: ``rivals:NAME[:VALUE]``."""

from __future__ import annotations

from collections.abc import Callable

from polarprior.plugin import Generator, LatentSampler, SamplerOptions, UsageError, nearest

from polarprior_rivals import NAME
from polarprior_rivals.resampling import DiscriminatorRejection, ImportanceResampling, MetropolisHastings
from polarprior_rivals.reweighting import ASCENT, LatentRejection
from polarprior_rivals.transport import OptimalTransport
from polarprior_rivals.truncation import Truncation

BY_NUMBER: dict[str, Callable[..., LatentSampler]] = {
    "truncation": Truncation,
    "sir": ImportanceResampling,
    "drs": DiscriminatorRejection,
    "mh": MetropolisHastings,
    "dot": OptimalTransport,
}
"""VALUE is a number: the bound, the candidates, gamma's percentile, the steps, the updates."""
BY_FILE = {"latent-rs": 0, "latent-rs-ga": ASCENT}
"""VALUE is the file of a weight network; then so many steps of ascent."""


def sampler(generator: Generator, rho: float, options: SamplerOptions) -> LatentSampler:
    """The rival that ``options.sampler`` names.

    Raises:
        UsageError: no such name or value, or a rho.
    """
    _, _, named = options.sampler.partition(":")
    name, _, value = named.partition(":")
    known = [*BY_NUMBER, *BY_FILE]
    if name not in known:
        raise UsageError(
            f"sampler: got {options.sampler!r}, expected {NAME}: and one of {', '.join(known)}",
            f"use sampler={NAME}:{nearest(name, known)}",
        )
    if rho:
        raise UsageError(f"rho: got {rho:g}, a rival draws no polarity prior", "use rho=0")
    if name in BY_FILE:
        return LatentRejection(generator, options, value, BY_FILE[name])
    try:
        values = [float(value)] if value else []
    except ValueError:
        raise UsageError(
            f"sampler: got {options.sampler!r}, expected a number behind {name}:", f"use {NAME}:{name}"
        ) from None
    return BY_NUMBER[name](generator, options, *values)
