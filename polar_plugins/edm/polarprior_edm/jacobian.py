"""Jacobians of a diffusion model's images in the noise that its sampler begins with."""

from __future__ import annotations

from polarprior.plugin import Generator, JacobianFn, Latents, LinearMap, prepare
from torch import Tensor

from polarprior_edm.denoiser import Denoiser
from polarprior_edm.generator import KINDS
from polarprior_edm.sampling import chain_of


def sampler_jacobian_fn(generator: Generator) -> JacobianFn:
    """z to the Jacobian of the sampler's result, a chain of passes: one traced graph of the denoiser for all."""
    assert isinstance(generator.network, Denoiser)
    chain = chain_of(generator.network, generator.settings, KINDS[generator.plugin].levels)

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        latents = prepare(generator, latents)
        return chain.at(latents.z, *([] if latents.label is None else [latents.label]))

    return jacobian
