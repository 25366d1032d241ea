"""Choosing among fresh latents by what a discriminator says of them: SIR, rejection, and Metropolis-Hastings."""

from __future__ import annotations

import numpy as np
import torch
from polarprior.plugin import Generator, SamplerOptions, UsageError, latent_hash
from torch import Tensor

from polarprior_rivals.rival import Judged, whole_number

CANDIDATES, PERCENTILE, CHAIN = 10, 80.0, 100
CALIBRATION = 1000
"""Latents from which rejection sampling takes its bound and its shift: seeds 0, 1, ..."""
MOST = 10_000
"""Proposals of rejection sampling after which it gives up."""


class ImportanceResampling(Judged):
    """Rubin 1988; Grover et al. 2019, *Bias correction of learned generative models*: of `candidates` fresh latents
    one is drawn, with probabilities in proportion to D / (1 - D) = exp(logit)."""

    def __init__(self, generator: Generator, options: SamplerOptions, candidates: float = CANDIDATES):
        super().__init__(generator, options)
        self._candidates = whole_number(candidates, "rivals:sir")

    def _chosen(self, z: Tensor, label: Tensor | None) -> Tensor:
        keys = latent_hash(z)
        steps = [self._proposals(keys, step, z) for step in range(self._candidates)]
        with torch.no_grad():
            logits = torch.stack([self._logits(fresh, label) for fresh, _ in steps], 1)
        reached = logits.softmax(1).cumsum(1)
        u = torch.from_numpy(steps[0][1][:, 0])[:, None]
        picked = (reached < u * reached[:, -1:]).sum(1).clamp(max=self._candidates - 1)
        return torch.stack([fresh for fresh, _ in steps], 1)[torch.arange(len(z)), picked]


class DiscriminatorRejection(Judged):
    """Azadi et al. 2019, *Discriminator rejection sampling*, eq. 7 and 8: a fresh latent of logit d is accepted with
    probability sigmoid(F - gamma), F = d - d_M - log(1 - exp(d - d_M - 1e-8)).

    d_M, the largest logit, and gamma, a percentile of F, are those of `CALIBRATION` latents of the model's own prior;
    the paper goes on raising d_M as it draws, which would make a draw depend on those before it.
    """

    def __init__(self, generator: Generator, options: SamplerOptions, percentile: float = PERCENTILE):
        super().__init__(generator, options)
        if not 0 < percentile < 100:
            raise UsageError(f"sampler: got a percentile of {percentile:g}, expected 0 to 100", "use rivals:drs:80")
        _, logits = self._stock_logits(CALIBRATION, _labels(generator, options))
        self._largest = float(logits.max())
        self._shift = float(np.percentile(self._scores(logits), percentile))

    def _scores(self, logits: Tensor) -> np.ndarray:
        below = (logits.numpy() - self._largest).clip(max=0)
        return below - np.log1p(-np.exp(below - 1e-8))

    def _chosen(self, z: Tensor, label: Tensor | None) -> Tensor:
        return self._first_accepted(z, label, self._probability, MOST)

    def _probability(self, z: Tensor, label: Tensor | None) -> Tensor:
        return torch.from_numpy(1 / (1 + np.exp(self._shift - self._scores(self._logits(z, label)))))


class MetropolisHastings(Judged):
    """Turner et al. 2019, *Metropolis-Hastings GANs*, eq. 5: a chain over fresh latents, which moves with probability
    min(1, exp(logit' - logit)); after `steps` steps its state is the draw. The chain starts from a fresh latent: the
    paper starts from a real image's score, and calibrates D."""

    def __init__(self, generator: Generator, options: SamplerOptions, steps: float = CHAIN):
        super().__init__(generator, options)
        self._steps = whole_number(steps, "rivals:mh")

    def _chosen(self, z: Tensor, label: Tensor | None) -> Tensor:
        keys = latent_hash(z)
        state, _ = self._proposals(keys, 0, z)
        with torch.no_grad():
            logits = self._logits(state, label)
            for step in range(1, self._steps + 1):
                fresh, u = self._proposals(keys, step, z)
                proposed = self._logits(fresh, label)
                moves = torch.from_numpy(np.log(u[:, 0])) < proposed - logits
                state = torch.where(moves.reshape(-1, *[1] * (z.ndim - 1)), fresh, state)
                logits = torch.where(moves, proposed, logits)
        return state


def _labels(generator: Generator, options: SamplerOptions) -> np.ndarray | int | None:
    """Classes of the latents to calibrate on: the class that is drawn, or all of them in turn."""
    if generator.num_classes is None or options.label is not None:
        return options.label
    return np.arange(CALIBRATION) % generator.num_classes
