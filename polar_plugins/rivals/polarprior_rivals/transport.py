"""Moving latents along the slope of a discriminator: discriminator optimal transport."""

from __future__ import annotations

import torch
from polarprior.plugin import Generator, SamplerOptions
from torch import Tensor

from polarprior_rivals.rival import Judged, whole_number

UPDATES, RATE, OFFSET = 20, 0.01, 1e-3
PAIRS = 500
"""Pairs of latents from which the Lipschitz constant is taken: seeds 0, 1, ..."""


class OptimalTransport(Judged):
    """Tanaka 2019, *Discriminator optimal transport*, algorithm 2, in the latent space: from the stock latent z0,
    `updates` steps of gradient descent on |z - z0 + 1e-3| - D(G(z)) / k, D without its sigmoid, and k the largest
    |D(G(z)) - D(G(z'))| / |z - z'| of `PAIRS` pairs. The paper's steps of 0.01 are taken by Adam here. Uniform
    latents stay within ±1; what the authors' code takes from the slope of normal ones, a multiple of its part along
    z, is left in."""

    needs_ratio = False  # k takes the scale out

    def __init__(self, generator: Generator, options: SamplerOptions, updates: float = UPDATES):
        super().__init__(generator, options)
        self._updates = whole_number(updates, "rivals:dot")
        label = None if generator.num_classes is None else options.label or 0
        pairs, logits = self._stock_logits(2 * PAIRS, label)
        apart = (pairs.z[::2] - pairs.z[1::2]).flatten(1).norm(dim=1).double()
        self._lipschitz = float(((logits[::2] - logits[1::2]).abs() / apart).max())

    def _chosen(self, z: Tensor, label: Tensor | None) -> Tensor:
        moving = z.detach().clone().requires_grad_()
        optimizer = torch.optim.Adam([moving], lr=RATE)
        for _ in range(self._updates):
            with torch.enable_grad():  # who draws may have turned it off
                gain = self._logits(moving, label) / self._lipschitz
                cost = (moving - z + OFFSET).flatten(1).norm(dim=1).double() - gain
                (moving.grad,) = torch.autograd.grad(cost.sum(), moving)
            optimizer.step()
            if self._generator.prior.name == "uniform":
                with torch.no_grad():
                    moving.clamp_(-1, 1)
        return moving.detach()
