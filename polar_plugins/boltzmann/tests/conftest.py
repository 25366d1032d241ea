"""Points and networks in float64."""

from __future__ import annotations

import pytest
import torch
from polarprior_boltzmann.networks import KernelMLPs


@pytest.fixture(scope="session")
def points():
    """A function that draws normal points [n, dim]."""

    def draw(n, dim):
        return torch.randn(n, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    return draw


@pytest.fixture(scope="session")
def mlps():
    """A function that makes small networks."""

    def make(dim, outputs, layers, kernels=4):
        noise = torch.Generator().manual_seed(0)
        return KernelMLPs.initial(dim, outputs, width=12, layers=layers, kernels=kernels, noise=noise).double()

    return make
