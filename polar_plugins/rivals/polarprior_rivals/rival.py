"""What rivals share: each stock latent owns a stream of fresh latents, and what a discriminator says of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np
import torch
from polarprior.plugin import (
    Diagnostics,
    Discriminator,
    Generator,
    Latents,
    PolarPriorError,
    Redrawing,
    SamplerOptions,
    UsageError,
    diagnose,
    latent_hash,
    stream_numbers,
    warn,
)
from torch import Tensor

AT_ONCE = 256
"""Images a batch."""


class Rival(Redrawing):
    """A sampler whose draw depends on the stock latent and its label alone.

    Args:
        generator: whose latents are chosen.
        options: support, hold and k mean nothing to a rival.

    Raises:
        UsageError: one of these is asked for.
    """

    def __init__(self, generator: Generator, options: SamplerOptions):
        if options.support != "prior" or options.held or options.k is not None:
            raise UsageError("support, hold, k: of a polarity prior, which no rival draws", "leave them out")
        self._generator = generator

    @property
    def diagnostics(self) -> Diagnostics:
        """Those of the model's own prior: a rival's law has no weights on a bank."""
        return diagnose(np.zeros(1), 0.0, 0)

    def redraw(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """Latents for stock latents z [n, *shape], of the same labels."""
        self._generator.check(Latents(z, label))
        stock = Latents(z, label)
        batches = (stock[rows : rows + AT_ONCE] for rows in range(0, len(z), AT_ONCE))
        return Latents(torch.cat([self._chosen(batch.z, batch.label) for batch in batches]).to(z), label)

    @abstractmethod
    def _chosen(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Latents [n, *shape] for a batch of stock latents."""

    def _first_accepted(
        self, z: Tensor, label: Tensor | None, probability: Callable[[Tensor, Tensor | None], Tensor], most: int
    ) -> Tensor:
        """For each stock latent the first of its fresh ones that is accepted; itself where `most` are not.

        Args:
            z, label: the stock latents.
            probability: of acceptance, [m], of fresh latents [m, *shape] with their labels.
            most: proposals a stock latent.
        """
        keys, drawn = latent_hash(z), z.clone()
        left = np.arange(len(z))
        for step in range(most):
            fresh, u = self._proposals(keys[left], step, z)
            with torch.no_grad():
                accepted = u[:, 0] < probability(fresh, None if label is None else label[left]).numpy()
            drawn[left[accepted]] = fresh[accepted]
            left = left[~accepted]
            if not left.size:
                break
        return drawn

    def _proposals(self, keys: np.ndarray, step: int, like: Tensor) -> tuple[Tensor, np.ndarray]:
        """The fresh latents [n, *shape] of step `step` of the streams of the hashes `keys`, and uniforms [n, 3]."""
        found = [stream_numbers(key, step, 1) for key in keys.tolist()]
        seeds = np.concatenate([each.seeds for each in found])
        return self._generator.prior.draw(seeds).z.to(like), np.concatenate([each.u for each in found])


class Judged(Rival):
    """A rival that asks a discriminator.

    Attributes:
        needs_ratio: whether it takes exp(logit) for p_data / p_G, which is what a logistic loss makes of it.

    Raises:
        UsageError: the model brings none.
    """

    needs_ratio = True

    def __init__(self, generator: Generator, options: SamplerOptions):
        super().__init__(generator, options)
        if generator.discriminator is None:
            raise UsageError(
                f"sampler: {options.sampler} needs a discriminator, {generator.plugin} brings none",
                "use rivals:truncation, or a model with one, such as mnist:wgan",
            )
        self._discriminator = generator.discriminator
        if (
            self.needs_ratio
            and isinstance(self._discriminator, Discriminator)
            and not self._discriminator.tells_ratio
        ):
            loss = self._discriminator.loss
            by = f"by {loss}" if loss else "by a loss that the checkpoint doesn't name"
            warn(
                f"sampler: {options.sampler} takes what the discriminator says for log p_data / p_G, and "
                f"{generator.plugin}'s was trained {by}: it ranks images, but its scale is another"
            )

    def _stock_logits(self, count: int, label: Any) -> tuple[Latents, Tensor]:
        """The latents of the seeds 0 to `count`, of `label`, and their logits [count]."""
        stock = self._generator.prior.draw(range(count), label)
        with torch.no_grad():
            batches = (stock[rows : rows + AT_ONCE] for rows in range(0, count, AT_ONCE))
            return stock, torch.cat([self._logits(batch.z, batch.label) for batch in batches])

    def _logits(self, z: Tensor, label: Tensor | None) -> Tensor:
        """log of p_data / p_G at the images of z [n, *shape], as the discriminator sees it: float64 [n]."""
        generator = self._generator
        latents = Latents(z, label).to(generator.device, generator.dtype)
        images = generator.synthesize(latents.z, latents.label)
        logits = self._discriminator(images, latents.label).double().cpu()
        if not bool(logits.isfinite().all()):
            raise PolarPriorError(f"{generator.plugin}: its discriminator gives NaN or infinity", "use another rival")
        return logits


def whole_number(value: float, name: str) -> int:
    """`value` as an int; UsageError, naming the sampler, unless it is a whole number of 1 or more."""
    if not isfinite(value) or value != int(value) or value < 1:
        raise UsageError(f"sampler: got {value:g}, expected a whole number, 1 or more", f"use such as {name}:10")
    return int(value)
