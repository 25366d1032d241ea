"""Jacobians of a pipeline's pictures in its latents."""

from __future__ import annotations

import logging

import torch
from polarprior.plugin import Generator, JacobianFn, Latents, LinearMap, StepChain, TracedJacobian, prepare
from torch import Tensor

from polarprior_diffusers.generator import PipelineGenerator
from polarprior_diffusers.running import Runner
from polarprior_diffusers.steps import Steps

log = logging.getLogger(__name__)
CLOSE = 1e-3
"""Largest relative difference between the chain's pictures and the pipeline's own; rounding makes 1e-6."""


def pipeline_jacobian_fn(generator: Generator) -> JacobianFn:
    """z to the Jacobian of the pictures: a chain of passes and a decoder, where the loop is one; else of the
    pipeline's ``__call__`` as a whole, whose memory grows with its steps."""
    assert isinstance(generator, PipelineGenerator)
    assert generator.runner is not None
    runner = generator.runner
    whole = TracedJacobian(runner.pictures)
    chain: _Chain | None = None
    tried = False

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        nonlocal chain, tried
        latents = prepare(generator, latents)
        if not tried:
            chain, tried = _chain_of(runner, generator, latents[:1]), True
        if chain is not None:
            return chain.at(latents)
        return whole.at(latents.z, *([] if latents.label is None else [latents.label]))

    return jacobian


class _Chain:
    def __init__(self, runner: Runner, shape: tuple[int, ...]):
        self._steps = Steps(runner, shape)
        self._network = TracedJacobian(self._steps.network)
        self._decoder = None if self._steps.decoding is None else TracedJacobian(self._decoded)
        self._runner = runner

    def at(self, latents: Latents) -> LinearMap:
        evaluations = self._steps.evaluations(len(latents), latents.label)
        chain = StepChain(self._network, evaluations, (1.0,)).at(latents.z)
        return chain if self._decoder is None else self._decoder.at(chain.value) @ chain

    def _decoded(self, last: Tensor) -> Tensor:
        assert self._steps.decoding is not None
        given = self._steps.decoding(last).to(self._runner.like)
        images: Tensor = self._runner.vae.decode(given, return_dict=False)[0]
        return images.to(last)


def _chain_of(runner: Runner, generator: Generator, latents: Latents) -> _Chain | None:
    """The chain, tried on a latent; None where the pipeline's loop isn't one."""
    try:
        chain = _Chain(runner, generator.prior.shape)
        with torch.no_grad():
            found, expected = chain.at(latents).value, runner.pictures(latents.z, latents.label)
        off = float((found - expected).norm() / expected.norm())
    except (ValueError, RuntimeError, TypeError) as error:
        log.info("the pipeline's loop is differentiated as a whole: %s", error)
        return None
    if not off <= CLOSE:
        log.info("the pipeline's loop is differentiated as a whole: its pictures as a chain are %.2g off", off)
        return None
    return chain
