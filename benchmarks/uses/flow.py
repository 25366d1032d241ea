"""A flow from noise to digits, trained on few of them for so long that it repeats them.

A straight path leads from noise z at t = 0 to a digit x at t = 1, (1 - t) z + t x, and the network is trained to
guess the digit at a path's end (rectified flow, Liu et al. 2023). A draw begins at noise, and goes towards the guess
in `STAGES` steps, with a new guess after each. After few digits and a long training the best guess is one of them.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from data import grey
from descent import descend, slow_down
from torch import Tensor, nn
from tqdm import trange

PIXELS, WIDTH, STAGES, BATCH = 28 * 28, 768, 10, 128
FREQUENCIES, RATE = 8, 1e-3


class Flow(nn.Module):
    """Draws digits [n, 1, 28, 28] from noise [n, 784]."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (PIXELS + 2 * FREQUENCIES, WIDTH, WIDTH, WIDTH)
        layers = [layer for into, out in pairwise(sizes) for layer in (nn.Linear(into, out), nn.SiLU())]
        self.layers = nn.Sequential(*layers, nn.Linear(WIDTH, PIXELS))
        self.register_buffer("frequencies", torch.arange(1, FREQUENCIES + 1) * torch.pi / 2)

    def guess(self, x: Tensor, t: Tensor) -> Tensor:
        """Guess the digit [n, 784] at the end of the path on which x [n, 784] lies at times t [n]."""
        turns = t[:, None] * self.frequencies
        return self.layers(torch.cat([x, turns.sin(), turns.cos()], 1))

    def forward(self, z: Tensor) -> Tensor:
        x = z
        for stage in range(STAGES):
            t = x.new_full((len(x),), stage / STAGES)
            x = x + (self.guess(x, t) - x) / (STAGES - stage)
        return x.view(-1, 1, 28, 28)


def trained(digits: int, steps: int, seed: int) -> Flow:
    """Train a flow on MNIST's first so many digits."""
    shown = grey("train")[:digits].flatten(1)
    noise = torch.Generator().manual_seed(1 + seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the starting weights
        flow = Flow()
    optimizer = torch.optim.Adam(flow.parameters(), lr=RATE)
    for step in trange(steps, desc=f"flow, seed {seed}", mininterval=10):
        slow_down((optimizer,), step, steps)
        x = shown[torch.randint(digits, (BATCH,), generator=noise)]
        z = torch.randn(BATCH, PIXELS, generator=noise)
        t = torch.rand(BATCH, generator=noise)
        descend(optimizer, (flow.guess(z + (x - z) * t[:, None], t) - x).square().mean())
    return flow
