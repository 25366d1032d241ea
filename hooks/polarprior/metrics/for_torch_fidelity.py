"""A polarity prior as torch-fidelity's source of noise, so that its metrics see the draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from polarprior.errors import PolarPriorError, UsageError
from polarprior.generator import Generator, Latents
from polarprior.images.pictures import to_uint8
from polarprior.samplers.contract import LatentSampler


def fidelity_model(generator: Generator, sampler: LatentSampler | None = None, name: str = "polarity") -> Any:
    """What ``torch_fidelity.calculate_metrics(input1=...)`` takes, with draws of `sampler`.

    torch-fidelity asks for noise with a numpy RandomState of its own seed; that gives the seeds of stock latents,
    which `sampler` redraws. The source is registered as `name`, so that perceptual path lengths start from it too.

    Args:
        generator: unconditional, of images.
        sampler: of a polarity prior; the model's own prior where None.
        name: of the source of noise, one a process.

    Returns:
        A ``torch_fidelity.GenerativeModelBase``.

    Raises:
        UsageError: a class-conditional generator.
        PolarPriorError: torch-fidelity can't be imported.
    """
    try:
        from torch_fidelity import GenerativeModelBase, register_noise_source
    except Exception as error:  # it imports torchvision, which has errors of its own
        raise PolarPriorError(
            f"torch-fidelity can't be imported: {error}", "type: pip install torch-fidelity torchvision"
        ) from error
    if generator.num_classes is not None:
        raise UsageError(
            f"generator: {generator.plugin} needs classes", "use polarprior sample --npz for one of them"
        )

    def noise(stream: np.random.RandomState, shape: tuple[int, ...]) -> Tensor:
        seeds = stream.randint(0, 2**32, shape[0], dtype=np.int64)
        latents = generator.prior.draw(seeds)
        drawn = latents if sampler is None else sampler.redraw(latents.z, latents.label)
        return drawn.z.reshape(shape)

    class Model(GenerativeModelBase):
        """Noise [n, K] to uint8 images [n, 3, H, W]."""

        z_size = generator.prior.dim
        z_type = name
        num_classes = 0

        def forward(self, z: Tensor, *_: Tensor) -> Tensor:
            latents = Latents(z.reshape(-1, *generator.prior.shape).cpu())
            images = torch.from_numpy(to_uint8(generator(latents))).permute(0, 3, 1, 2)
            return images.expand(-1, 3, -1, -1).contiguous()

    register_noise_source(name, noise)
    return Model()
