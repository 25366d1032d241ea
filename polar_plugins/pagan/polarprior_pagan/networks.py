"""The paper's networks (its section 5): a DCGAN generator, an encoder with a factorised normal, and discriminators of
images, of latents and of pairs of images, with spectral norms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

BOTTOM = 4
"""Pixels a side where a generator begins and a discriminator ends."""
SLOPE = 0.2
OF_LATENTS = (512, 256)
OF_PAIRS = 128
"""Units of the hidden layers."""
LOG_SCALES = (-6.0, 2.0)
"""Bounds of the encoder's log sigma."""


def levels(size: int) -> int:
    """Halvings from `size` pixels to `BOTTOM`."""
    return (size // BOTTOM).bit_length() - 1


class Generator(nn.Module):
    """z [n, K] to images [n, channels, size, size] in [-1, 1]: Radford et al. 2016, batch norms and ReLUs.

    Args:
        size: pixels a side, 16, 32 or 64.
        channels: 1 or 3.
        latent_dim: K.
        width: channels at the bottom; each doubling of the side halves them.
    """

    def __init__(self, size: int, channels: int, latent_dim: int, width: int):
        super().__init__()
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, width * BOTTOM**2, bias=False),
            nn.Unflatten(1, (width, BOTTOM, BOTTOM)),
        ]
        for _ in range(levels(size)):
            layers += [
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.ConvTranspose2d(width, width // 2, 4, 2, 1, bias=False),
            ]
            width //= 2
        layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 3, 1, 1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def downwards(size: int, channels: int, width: int, deep: bool) -> nn.Sequential:
    """Images [n, channels, size, any] to [n, width, BOTTOM, any], by strides of 2.

    Args:
        size: height of the images.
        channels: of the images.
        width: channels at the bottom.
        deep: a 3 x 3 convolution before each stride and after the last, as in the paper; none otherwise.
    """
    count = levels(size)
    layers: list[nn.Module] = []
    if deep:
        layers += _convolution(channels, width >> count, 3, 1)
        channels = width >> count
    for level in range(count):
        out = width >> (count - 1 - level)
        layers += _convolution(channels, out, 4, 2)
        if deep:
            layers += _convolution(out, out, 3, 1)
        channels = out
    return nn.Sequential(*layers)


def _convolution(channels: int, out: int, side: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, side, stride, 1), nn.LeakyReLU(SLOPE)]


class Encoder(nn.Module):
    """Images [n, channels, size, size] to mean and log sigma of a factorised normal, [n, K] each."""

    def __init__(self, size: int, channels: int, latent_dim: int, width: int, deep: bool):
        super().__init__()
        self.layers = nn.Sequential(
            downwards(size, channels, width, deep), nn.Flatten(), nn.Linear(width * BOTTOM**2, 2 * latent_dim)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.layers(images).chunk(2, 1)
        return mean, log_scale.clamp(*LOG_SCALES)

    def draw(self, images: Tensor, noise: torch.Generator) -> Tensor:
        """z [n, K] drawn given `images`."""
        mean, log_scale = self(images)
        return mean + log_scale.exp() * torch.randn(mean.shape, generator=noise).to(mean)


class OfImages(nn.Module):
    """A discriminator of images: logits [n]."""

    def __init__(self, size: int, channels: int, width: int, deep: bool):
        super().__init__()
        self.layers = nn.Sequential(
            downwards(size, channels, width, deep), nn.Flatten(), nn.Linear(width * BOTTOM**2, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)[:, 0]


class OfLatents(nn.Module):
    """A discriminator of latents [n, K]: logits [n]."""

    def __init__(self, latent_dim: int):
        super().__init__()
        first, second = OF_LATENTS
        self.layers = nn.Sequential(
            nn.Linear(latent_dim, first),
            nn.LeakyReLU(SLOPE),
            nn.Linear(first, second),
            nn.LeakyReLU(SLOPE),
            nn.Linear(second, 1),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)[:, 0]


class OfPairs(nn.Module):
    """A discriminator of pairs of images: logits [n].

    Args:
        size, channels, width, deep: see `downwards`.
        pairs: ``width``, beside each other; ``channel``, on top of each other; ``siamese``, one trunk for both, whose
            features' products and differences are judged.

    Of images beside each other strides alone see one at a time, so that a sum over their features could compare
    nothing: unless `deep`, whose 3 x 3 convolutions cross the middle, there is a hidden layer in the end.
    """

    def __init__(self, size: int, channels: int, width: int, deep: bool, pairs: str):
        super().__init__()
        self._siamese, self._axis = pairs == "siamese", 1 if pairs == "channel" else 3
        self.trunk = downwards(size, 2 * channels if pairs == "channel" else channels, width, deep)
        features = width * BOTTOM**2 * (1 if pairs == "channel" else 2)
        hidden: list[nn.Module] = []
        if not deep:
            hidden = [nn.Linear(features, OF_PAIRS), nn.LeakyReLU(SLOPE)]
            features = OF_PAIRS
        self.last = nn.Sequential(*hidden, nn.Linear(features, 1))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if self._siamese:
            a, b = self.trunk(torch.cat([x, y])).flatten(1).chunk(2)
            return self.last(torch.cat([a * b, a - b], 1))[:, 0]
        return self.last(self.trunk(torch.cat([x, y], self._axis)).flatten(1))[:, 0]


class _Gain(nn.Module):
    """Scales a weight."""

    def __init__(self, gain: float):
        super().__init__()
        self._gain = gain

    def forward(self, weight: Tensor) -> Tensor:
        return self._gain * weight


def normalise(network: nn.Module, gain: float) -> None:
    """Give each linear and convolutional layer the spectral norm `gain` (Miyato et al. 2018, who have 1)."""
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            spectral_norm(layer)
            parametrize.register_parametrization(layer, "weight", _Gain(gain))
