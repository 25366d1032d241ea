"""Latent truncation: numbers of z beyond a bound are drawn again."""

from __future__ import annotations

import numpy as np
import torch
from polarprior.plugin import STREAM_KEY, Generator, SamplerOptions, UsageError, latent_hash
from torch import Tensor

from polarprior_rivals.rival import Rival

BOUND = 1.0


class Truncation(Rival):
    """Each number of z beyond ± `bound` is drawn again until it is within (Marchesi 2017; Brock et al. 2019, the
    truncation trick); the others stay those of the stock latent.

    Raises:
        UsageError: a prior that isn't standard normal, or a bound that isn't above 0.01.
    """

    def __init__(self, generator: Generator, options: SamplerOptions, bound: float = BOUND):
        super().__init__(generator, options)
        if generator.prior.name != "normal":
            raise UsageError(
                f"sampler: truncation is of a normal prior, {generator.plugin}'s is another", "use trunc=PSI"
            )
        if not bound > 0.01:
            raise UsageError(f"sampler: got a bound of {bound:g}, expected more than 0.01", "use rivals:truncation:1")
        self._bound = bound

    def _chosen(self, z: Tensor, label: Tensor | None) -> Tensor:
        rows = z.detach().cpu().double().numpy().copy()
        for row, key in zip(rows, latent_hash(z).tolist(), strict=True):
            stream = np.random.Generator(np.random.Philox(key=STREAM_KEY + key % STREAM_KEY))
            outside = np.abs(row) > self._bound
            while outside.any():
                row[outside] = stream.standard_normal(int(outside.sum()))
                outside = np.abs(row) > self._bound
        return torch.from_numpy(rows)
