"""Variational autoencoders: one level of latents for grey digits, two for coloured ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polarprior_mnist.convolutional import SLOPE, Convolutional

LEVELS = (8, 24)
"""Numbers in the coarse and in the fine latent of the hierarchical one."""


class Encoder(nn.Module):
    """Images [n, channels, 28, 28] to `outputs` numbers each."""

    def __init__(self, outputs: int, channels: int = 1):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 24, 4, 2, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(24, 48, 4, 2, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(48, 96, 3, 2, 1),
            nn.LeakyReLU(SLOPE),
            nn.Flatten(),
            nn.Linear(96 * 16, outputs),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Autoencoder(nn.Module):
    """Kingma and Welling 2014: a normal posterior, and pixels that are Bernoulli in (x + 1) / 2.

    As a generator it takes z [n, K] to the mean image [n, 1, 28, 28] in [-1, 1].
    """

    def __init__(self, latent_dim: int):
        super().__init__()
        self.encoder = Encoder(2 * latent_dim)
        self.decoder = Convolutional(latent_dim)

    def forward(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def loss(self, images: Tensor, noise: torch.Generator) -> Tensor:
        """The negative evidence lower bound, nats an image, mean of the batch."""
        mean, log_scale = self.encoder(images).chunk(2, 1)
        z = mean + log_scale.exp() * _like(mean, noise)
        shown = ((self.decoder(z) + 1) / 2).clamp(1e-6, 1 - 1e-6)
        told = nn.functional.binary_cross_entropy(shown, (images + 1) / 2, reduction="none").flatten(1).sum(1)
        return (told + _divergence(mean, log_scale)).mean()


class HierarchicalAutoencoder(nn.Module):
    """Two levels, as in NVAE (Vahdat and Kautz 2020) on its smallest scale: the prior of the fine latent depends on
    the coarse one, and its posterior is given relative to that prior. Colours are logistic, of one learned scale.

    As a generator it takes standard normal noise [n, 32], 8 of it coarse, to mean images [n, 3, 28, 28] in [-1, 1].
    """

    def __init__(self) -> None:
        super().__init__()
        coarse, fine = LEVELS
        self.encoder = Encoder(2 * (coarse + fine), 3)
        self.prior = nn.Sequential(nn.Linear(coarse, 64), nn.LeakyReLU(SLOPE), nn.Linear(64, 2 * fine))
        self.decoder = Convolutional(coarse + fine, 3)
        self.log_scale = nn.Parameter(torch.tensor(-2.0))

    def forward(self, noise: Tensor) -> Tensor:
        return self.decoder(self.latents(noise))

    def latents(self, noise: Tensor) -> Tensor:
        """Both levels [n, 32] of standard normal noise [n, 32]."""
        top, below = noise.split(LEVELS, 1)
        mean, log_scale = self.prior(top).chunk(2, 1)
        return torch.cat([top, mean + log_scale.clamp(-4, 2).exp() * below], 1)

    def log_likelihood(self, images: Tensor, latents: Tensor) -> Tensor:
        """log p(x | z) of 8-bit images in [-1, 1], nats each [n]: discretised logistic, Kingma et al. 2016."""
        centred = images - self.decoder(latents)
        scale, half = self.log_scale.exp(), 1 / 255
        below = torch.where(images > 1 - half, 1.0, ((centred + half) / scale).sigmoid())
        above = torch.where(images < -1 + half, 0.0, ((centred - half) / scale).sigmoid())
        return (below - above).clamp_min(1e-7).log().flatten(1).sum(1)

    def posterior(self, images: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents [n, 32] drawn from the posterior, and log p(z) - log q(z | x), nats [n]."""
        coarse, fine = LEVELS
        mean, scale, shift, change = self.encoder(images).split((coarse, coarse, fine, fine), 1)
        top = mean + scale.exp() * _like(mean, noise)
        prior_mean, prior_scale = self.prior(top).chunk(2, 1)
        prior_scale = prior_scale.clamp(-4, 2)
        below = prior_mean + prior_scale.exp() * (shift + change.exp() * _like(shift, noise))
        standard = (below - prior_mean) / prior_scale.exp()
        ratio = _log_normal(top) - _log_normal((top - mean) / scale.exp()) + scale.sum(1)
        ratio = ratio + _log_normal(standard) - _log_normal((standard - shift) / change.exp()) + change.sum(1)
        return torch.cat([top, below], 1), ratio

    def loss(self, images: Tensor, noise: torch.Generator) -> Tensor:
        """The negative evidence lower bound, nats an image, mean of the batch."""
        latents, ratio = self.posterior(images, noise)
        return -(self.log_likelihood(images, latents) + ratio).mean()


def _log_normal(x: Tensor) -> Tensor:
    """log of the standard normal density up to its constant, summed over [n, d]."""
    return -x.square().sum(1) / 2


def _divergence(mean: Tensor, log_scale: Tensor) -> Tensor:
    """KL of normals from the standard one, [n]."""
    return (mean.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(1) / 2


def _like(values: Tensor, noise: torch.Generator) -> Tensor:
    return torch.randn(values.shape, generator=noise).to(values)
