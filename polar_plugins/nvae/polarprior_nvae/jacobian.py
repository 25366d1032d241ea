"""The Jacobian of the images in the noise of the top group alone."""

from __future__ import annotations

from math import prod

import torch
from polarprior.plugin import Generator, JacobianFn, Latents, LinearMap, TracedJacobian, prepare
from torch import Tensor

from polarprior_nvae.noise import group_shapes


def top_jacobian_fn(generator: Generator) -> JacobianFn:
    """Noise of all groups to the Jacobian in that of the first, the coarsest; the others stay as they are drawn."""
    top = prod(group_shapes(generator.network)[0])
    traced = TracedJacobian(lambda noise, rest: generator.synthesize(torch.cat([noise, rest], 1), None))

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        z = prepare(generator, latents).z
        return traced.at(z[:, :top], z[:, top:])

    return jacobian
