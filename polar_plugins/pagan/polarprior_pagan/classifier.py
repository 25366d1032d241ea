"""A classifier of the images that a PAGAN is trained on: it judges reconstructions, and its features are a space."""

from __future__ import annotations

import numpy as np
import torch
from polarprior.plugin import from_uint8
from polarprior_training.augmentations import shift
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, leaky_relu
from tqdm import trange

from polarprior_pagan.data import Images
from polarprior_pagan.networks import BOTTOM, SLOPE, downwards

WIDTH, FEATURES = 64, 64
STEPS, BATCH, RATE = 3000, 64, 1e-3
SMOOTHING = 0.05
"""How far labels are smoothed: RID needs a classifier that is not too sure of itself."""


class Classifier(nn.Module):
    """Images [n, channels, size, size] in [-1, 1] to logits [n, classes]."""

    def __init__(self, size: int, channels: int, classes: int):
        super().__init__()
        self.layers = nn.Sequential(
            downwards(size, channels, WIDTH, deep=False), nn.Flatten(), nn.Linear(WIDTH * BOTTOM**2, FEATURES)
        )
        self.last = nn.Linear(FEATURES, classes)

    def features(self, images: Tensor) -> Tensor:
        """The last hidden layer, [n, 64]."""
        return leaky_relu(self.layers(images), SLOPE)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.features(images))


def trained(images: Images, seed: int = 0, steps: int = STEPS, device: torch.device | str = "cpu") -> Classifier:
    """A classifier trained on `images`, which have labels, each shifted by up to a tenth of its side: what shifts
    don't change, it shouldn't see. It is returned on the CPU. On one core two minutes for digits of 32 pixels."""
    assert images.labels is not None
    noise = torch.Generator().manual_seed(seed)
    labels = torch.from_numpy(images.labels)
    size, _, channels = images.pixels.shape[1:]
    with torch.random.fork_rng(devices=[]):  # torch's layers know no other stream
        torch.manual_seed(seed)
        network = Classifier(size, channels, int(labels.max()) + 1).to(device)
    adam = torch.optim.Adam(network.parameters(), RATE)
    for step in trange(steps, desc="classifier", mininterval=1):
        for group in adam.param_groups:
            group["lr"] = RATE * (1 - step / steps)
        rows = torch.randint(len(images), (BATCH,), generator=noise)
        logits = network(shift(from_uint8(images.pixels[rows.numpy()]).to(device), noise))
        loss = cross_entropy(logits, labels[rows].to(device), label_smoothing=SMOOTHING)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    return network.cpu().eval().requires_grad_(False)


def accuracy(network: Classifier, images: Images) -> float:
    """Share of `images`, which have labels, that get theirs."""
    assert images.labels is not None
    right = 0
    with torch.no_grad():
        for rows in np.array_split(np.arange(len(images)), max(1, len(images) // 500)):
            part = images.part(rows)
            right += int((network(from_uint8(part.pixels)).argmax(1).numpy() == part.labels).sum())
    return right / len(images)
