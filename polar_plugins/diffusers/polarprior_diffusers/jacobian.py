"""Jacobians of a pipeline's pictures in its latents."""

from __future__ import annotations

import logging
from functools import cached_property

import torch
from polarprior.plugin import Latents, LinearMap, StepChain, TracedJacobian
from torch import Tensor

from polarprior_diffusers.running import Runner
from polarprior_diffusers.steps import Steps

log = logging.getLogger(__name__)
CLOSE = 1e-3
"""Largest relative difference between the chain's pictures and the pipeline's own; rounding makes 1e-6."""


class PipelineJacobian:
    """The Jacobian of a pipeline's pictures: a chain of passes and a decoder, where its loop is one; else of its
    ``__call__`` as a whole, whose memory grows with its steps. What is traced is kept.

    Args:
        runner: of the pipeline.
        shape: of a latent.
    """

    def __init__(self, runner: Runner, shape: tuple[int, ...]):
        self._runner, self._shape = runner, shape
        self._whole = TracedJacobian(runner.pictures)

    def at(self, latents: Latents) -> LinearMap:
        """The Jacobian at n latents: [n, K, m] to [n, D, m], D the numbers of a picture."""
        if self._chain is not None:
            return self._chain.at(latents)
        return self._whole.at(latents.z, *([] if latents.label is None else [latents.label]))

    @cached_property
    def _chain(self) -> _Chain | None:
        """The chain, tried on a latent; None where the pipeline's loop isn't one."""
        z = torch.randn(1, *self._shape, generator=torch.Generator().manual_seed(0))
        latents = Latents(z, self._runner.first_label(1)).to(self._runner.like.device, torch.float32)
        try:
            chain = _Chain(self._runner, self._shape)
            with torch.no_grad():
                found, expected = chain.at(latents).value, self._runner.pictures(latents.z, latents.label)
            off = float((found - expected).norm() / expected.norm())
        except (ValueError, RuntimeError, TypeError) as error:
            log.info("the pipeline's loop is differentiated as a whole: %s", error)
            return None
        if not off <= CLOSE:
            log.info("the pipeline's loop is differentiated as a whole: its pictures as a chain are %.2g off", off)
            return None
        return chain


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
