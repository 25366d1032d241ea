"""The discriminator that a network pickle holds beside its generator."""

from __future__ import annotations

from typing import Any

import torch
from polarprior.plugin import LOGISTIC, Discriminator
from torch import Tensor

from polarprior_stylegan2.operators import plain_operators


def discriminator_of(network: Any) -> Discriminator | None:
    """The discriminator of a pickle's ``D``; None where that is no stock one.

    Its features are those behind its last but one layer, 512 numbers in the official networks, before the class comes
    in. Half precision is for GPUs and for training: everything is float32 here.
    """
    if not hasattr(getattr(network, "b4", None), "out"):
        return None

    def judge(network: Any, image: Tensor, label: Tensor | None) -> Tensor:
        classes = torch.arange(network.c_dim, device=image.device)
        c = image.new_zeros(1, network.c_dim) if label is None else (label[:, None] == classes).to(image.dtype)
        with plain_operators():
            return network(image, c, force_fp32=True)

    return Discriminator(lambda: network, judge, lambda network: network.b4.out, LOGISTIC)
