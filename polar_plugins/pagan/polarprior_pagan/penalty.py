"""The gradient penalty of critics (Gulrajani et al. 2017), on images, latents, and pairs of images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_penalty(
    critic: Callable[..., Tensor],
    real: tuple[Tensor, ...],
    made: tuple[Tensor, ...],
    noise: torch.Generator,
    independent: bool = False,
) -> Tensor:
    """The mean of (|gradient| - 1)² at points between real and made ones; the gradient is in all inputs together.

    Args:
        critic: of one input or of two, to [n].
        real, made: its inputs, [n, ...] each.
        noise: draws how far between.
        independent: a share for each input, eq. 39, in place of one for both, eq. 38.
    """
    between, share = [], None
    for x, y in zip(real, made, strict=True):
        if share is None or independent:
            share = torch.rand(len(x), generator=noise).to(x)
        alpha = share.reshape(-1, *[1] * (x.ndim - 1))
        between.append((alpha * x + (1 - alpha) * y).detach().requires_grad_())
    slopes = torch.autograd.grad(critic(*between).sum(), between, create_graph=True)
    squares = torch.stack([slope.flatten(1).square().sum(1) for slope in slopes]).sum(0)
    return ((squares + 1e-12).sqrt() - 1).square().mean()
