"""Generators of 28 x 28 digits made of transposed convolutions: plain, and with a class."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SLOPE = 0.2
WIDTHS = (64, 32, 16)


class Convolutional(nn.Module):
    """Radford et al. 2016 with leaky ReLUs: latents z [n, K] to images [n, channels, 28, 28] in [-1, 1]."""

    def __init__(self, latent_dim: int, channels: int = 1):
        super().__init__()
        first, second, third = WIDTHS
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, first * 49),
            nn.Unflatten(1, (first, 7, 7)),
            nn.BatchNorm2d(first),
            nn.LeakyReLU(SLOPE),
            nn.ConvTranspose2d(first, second, 4, 2, 1, bias=False),
            nn.BatchNorm2d(second),
            nn.LeakyReLU(SLOPE),
            nn.ConvTranspose2d(second, third, 4, 2, 1, bias=False),
            nn.BatchNorm2d(third),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(third, channels, 3, 1, 1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class ClassConditional(nn.Module):
    """The same with a class, which enters where it does in BigGAN (Brock et al. 2019): beside z, and in the gains
    and biases of the batch norms. z [n, K], label int64 [n] to images [n, 1, 28, 28] in [-1, 1]."""

    embedded = 16

    def __init__(self, latent_dim: int, num_classes: int):
        super().__init__()
        first, second, third = WIDTHS
        self.embedding = nn.Embedding(num_classes, self.embedded)
        self.start = nn.Linear(latent_dim + self.embedded, first * 49)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width, affine=False) for width in WIDTHS)
        self.gains = nn.ModuleList(nn.Linear(self.embedded, 2 * width) for width in WIDTHS)
        self.ups = nn.ModuleList(
            [
                nn.ConvTranspose2d(first, second, 4, 2, 1, bias=False),
                nn.ConvTranspose2d(second, third, 4, 2, 1, bias=False),
            ]
        )
        self.last = nn.Conv2d(third, 1, 3, 1, 1)

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        embedded = self.embedding(label)
        x = self.start(torch.cat([z, embedded], 1)).reshape(len(z), WIDTHS[0], 7, 7)
        for depth, (norm, gains) in enumerate(zip(self.norms, self.gains, strict=True)):
            gain, bias = gains(embedded)[:, :, None, None].chunk(2, 1)
            x = nn.functional.leaky_relu(norm(x) * (1 + gain) + bias, SLOPE)
            if depth < len(self.ups):
                x = self.ups[depth](x)
        return self.last(x).tanh()
