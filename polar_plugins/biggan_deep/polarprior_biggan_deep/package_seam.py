"""Where latents pass in a user's own script around pytorch-pretrained-biggan: from its sampler to its model."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
import torch
from polarprior.plugin import (
    Settings,
    StockRun,
    StockSampler,
    UsageError,
    ending_the_script,
    filled_network,
    latent_hash,
)
from torch import Tensor, nn

from polarprior_biggan_deep.pretrained_biggan import generator_of


def connect(run: StockRun) -> None:
    """Put a polarity prior between ``truncated_noise_sample`` and the model."""

    def hook(package: Any) -> None:
        if run.polarity is not None:
            seam = _Seam(run)
            drawing = seam.remembering(package.truncated_noise_sample)
            package.truncated_noise_sample = package.utils.truncated_noise_sample = drawing
            package.BigGAN.forward = seam.redrawing(package.BigGAN.forward)

    run.after_import("pytorch_pretrained_biggan", hook)


class _Seam:
    """Replaces latents that ``truncated_noise_sample`` has drawn where the model is given them, since it is given
    their classes and the truncation there. What a script makes of its latents itself, such as interpolations, keeps
    the model's own prior."""

    def __init__(self, run: StockRun):
        self._run = run
        self._drawn: set[int] = set()
        self._samplers: dict[tuple[int, float], StockSampler] = {}

    def remembering(self, draw: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        """``truncated_noise_sample``, whose latents are known again."""

        @wraps(draw)
        def drawing(*args: Any, **kwargs: Any) -> np.ndarray:
            latents = draw(*args, **kwargs)
            self._drawn.update(latent_hash(latents).tolist())
            return latents

        return drawing

    def redrawing(self, forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
        """``BigGAN.forward``, on latents of the polarity prior."""

        @wraps(forward)
        def passing(model: Any, z: Tensor, class_label: Tensor, truncation: float) -> Tensor:
            return forward(model, self._redrawn(model, z, class_label, truncation), class_label, truncation)

        return passing

    def _redrawn(self, model: Any, z: Tensor, class_label: Tensor, truncation: float) -> Tensor:
        ours = torch.tensor([key in self._drawn for key in latent_hash(z).tolist()], device=z.device)
        if not ours.any():
            return z
        labels = class_label[ours].argmax(1)
        one_hot = nn.functional.one_hot(labels, class_label.shape[1])
        if not torch.equal(class_label[ours], one_hot.to(class_label.dtype)):
            with ending_the_script():
                raise UsageError(
                    "rho: a class vector of the script mixes classes, and weights are within one",
                    "give rows of one_hot_from_int or one_hot_from_names, or leave it out",
                )
        redrawn = z.clone()
        redrawn[ours] = self._sampler(model, truncation).redraw(z[ours], labels)
        return redrawn

    def _sampler(self, model: Any, truncation: float) -> StockSampler:
        use = id(model), float(truncation)
        if use not in self._samplers:
            own = filled_network(lambda: type(model)(model.config), model.state_dict())
            with ending_the_script():
                generator = generator_of(own, Settings(trunc=truncation))
            self._samplers[use] = self._run.sampler(generator)
        return self._samplers[use]
