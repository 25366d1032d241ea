"""A small generator whose bank has many parts, for `bank_survival.py` and `bank_scale.py`."""

from __future__ import annotations

import polarprior as pp
import torch
from torch import nn


def make() -> pp.Generator:
    """8 numbers to 3 x 32 x 32."""
    stream = torch.Generator().manual_seed(0)
    layers = [
        nn.Linear(8, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 3 * 32 * 32),
        nn.Tanh(),
        nn.Unflatten(1, (3, 32, 32)),
    ]
    network = nn.Sequential(*layers)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=stream) * 0.2)
    return pp.wrap(network, latent_dim=8)
