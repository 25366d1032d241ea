"""Jacobians of the images in the noise of all groups, or in that of the coarsest one alone."""

from __future__ import annotations

from math import prod

from polarprior.plugin import Generator, JacobianFn, Latents, LinearMap, TracedJacobian, prepare
from torch import Tensor, cat

from polarprior_nvae.noise import NoisePrior

DOMAINS = ("z", "top")


def groups_jacobian_fn(generator: Generator, domain: str) -> JacobianFn:
    """Noise of all groups to the Jacobian in that of the groups of `domain`: ``z`` is all of them, ``top`` the first,
    the coarsest, while the others stay as they are drawn."""
    assert isinstance(generator.prior, NoisePrior)
    free = prod(generator.prior.groups[0]) if domain == "top" else generator.prior.dim

    def images(noise: Tensor, *rest: Tensor) -> Tensor:
        return generator.synthesize(cat([noise, *rest], 1) if rest else noise, None)

    traced = TracedJacobian(images)

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        z = prepare(generator, latents).z
        return traced.at(z[:, :free], *([z[:, free:]] if free < z.shape[1] else []))

    return jacobian
