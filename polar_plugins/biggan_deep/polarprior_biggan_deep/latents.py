"""Latents of a polarity prior for BigGAN: within the truncation, of one class or of all of them together."""

from __future__ import annotations

from polarprior.plugin import (
    AskingHost,
    Bank,
    Generator,
    Geometry,
    LatentSampler,
    SamplerOptions,
    reweighting_sampler,
)

WIDEST = 2.0
"""Standard deviations at which the package cuts its normal off; sample.py cuts nowhere."""
CUT = "truncated-normal"


def latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler | None:
    """One of the host's samplers on BigGAN's own prior, truncation times a normal; DeepMind's is within [-2, 2].

    Beyond the limits of rho the law is followed out to where it peaks, in steps of the truncation and no further than
    the prior goes, and a warning says where that is off the shell. Weights are within the class, or with
    ``options.joint`` over all classes of the bank, by p(z, c) exp(rho · l).
    """
    truncation = float(generator.settings.trunc or 1)
    bound = WIDEST * truncation if generator.prior.name.startswith(CUT) else float("inf")
    geometry = Geometry.normal(truncation, bound)
    return reweighting_sampler(generator, bank, rho, options, host.jacobian_fn, geometry)
