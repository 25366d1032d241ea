"""Generators that normalise their latents: one as ProGAN is built, one as StyleGAN is."""

from __future__ import annotations

from typing import Any

import torch
from polarprior.plugin import on_sphere
from torch import Tensor, nn

from polarprior_mnist.convolutional import SLOPE, WIDTHS


class PixelNormalised(nn.Module):
    """ProGAN's layers (Karras et al. 2018): z on the sphere, nearest upsampling, and each pixel's channels scaled to
    unit mean square after each convolution. z [n, K] to images [n, 1, 28, 28]."""

    def __init__(self, latent_dim: int):
        super().__init__()
        first, second, third = WIDTHS
        self.start = nn.Linear(latent_dim, first * 49)
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(first, second, 3, 1, 1), nn.Conv2d(second, third, 3, 1, 1)],
        )
        self.last = nn.Conv2d(third, 1, 1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.start(on_sphere(z)).reshape(len(z), WIDTHS[0], 7, 7)
        x = _pixel_norm(nn.functional.leaky_relu(x, SLOPE))
        for convolution in self.convolutions:
            x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
            x = _pixel_norm(nn.functional.leaky_relu(convolution(x), SLOPE))
        return self.last(x)


class StyleBased(nn.Module):
    """StyleGAN2's plan (Karras et al. 2020), without noise: a mapping network of three layers makes the style w of a
    z on the sphere, and w scales the channels that each convolution takes, whose output is scaled back.

    z [n, K] to images [n, 1, 28, 28].

    Attributes:
        mean_style: [K], the mean of w under the prior, towards which truncation moves it.
    """

    def __init__(self, latent_dim: int):
        super().__init__()
        first, second, third = WIDTHS
        layers: list[nn.Module] = []
        for _ in range(3):
            layer = nn.Linear(latent_dim, latent_dim)
            nn.init.kaiming_normal_(layer.weight, SLOPE)  # so that w varies as z does
            layers += [layer, nn.LeakyReLU(SLOPE)]
        self.mapping_layers = nn.Sequential(*layers)
        self.constant = nn.Parameter(torch.randn(first, 7, 7, generator=torch.Generator().manual_seed(0)))
        self.convolutions = nn.ModuleList(
            [nn.Conv2d(first, first, 3, 1, 1), nn.Conv2d(first, second, 3, 1, 1), nn.Conv2d(second, third, 3, 1, 1)]
        )
        self.styles = nn.ModuleList(nn.Linear(latent_dim, width) for width in (first, first, second, third))
        self.last = nn.Conv2d(third, 1, 1)
        self.mean_style: Tensor
        self.register_buffer("mean_style", torch.zeros(latent_dim))

    def mapping(self, z: Tensor, psi: float = 1.0) -> Tensor:
        """Styles w [n, K] of z [n, K], truncated: mean_style + psi (w - mean_style)."""
        return self.mean_style.lerp(self.mapping_layers(on_sphere(z)), psi)

    def synthesis(self, w: Tensor) -> Tensor:
        """Images of styles w [n, K]."""
        x = self.constant.expand(len(w), -1, -1, -1)
        for depth, convolution in enumerate(self.convolutions):
            if depth:
                x = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
            x = nn.functional.leaky_relu(_modulated(convolution, x, 1 + self.styles[depth](w)), SLOPE)
        return self.last(x * (1 + self.styles[-1](w))[:, :, None, None])

    def forward(self, z: Tensor, psi: float = 1.0) -> Tensor:
        return self.synthesis(self.mapping(z, psi))


def _modulated(convolution: Any, x: Tensor, scales: Tensor) -> Tensor:
    """A convolution of x [n, C, H, W] with its input channels scaled by `scales` [n, C], and its output channels by
    what keeps their variance: Karras et al. 2020, eq. 1 and 3."""
    squares = convolution.weight.square().sum((2, 3))  # [out, in]
    norm = (scales.square() @ squares.T + 1e-8).rsqrt()
    out = nn.functional.conv2d(x * scales[:, :, None, None], convolution.weight, padding=1)
    return out * norm[:, :, None, None] + convolution.bias[None, :, None, None]


def _pixel_norm(x: Tensor) -> Tensor:
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()
