"""A style-based generator of the cost structure of StyleGAN2 (Karras et al. 2020), with random weights, K = 512.

Eight fully connected layers map z to w; a constant is convolved up from 4 x 4, each convolution with its input
channels scaled by a style and its output channels normalised (section 2.2), upsampled by strided convolutions and a
blur, with noise of fixed seed, and summed up as images at each resolution (section 4.1).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LATENT_DIM = 512
GAIN = math.sqrt(2)


class StyleNetwork(nn.Module):
    """z [n, 512] to images [n, 3, resolution, resolution]; channels halve from `channels` as resolution doubles."""

    def __init__(self, resolution: int = 64, channels: int = 128, base: int = 2048):
        super().__init__()
        sizes = [2**i for i in range(2, int(math.log2(resolution)) + 1)]
        widths = {size: min(base // size, channels) for size in sizes}
        self.mapping = nn.Sequential(*(MappingLayer() for _ in range(8)))
        self.constant = nn.Parameter(torch.randn(1, widths[4], 4, 4))
        self.layers = nn.ModuleList([StyledConvolution(widths[4], widths[4], 4, up=False)])
        self.to_image = nn.ModuleList([ToImage(widths[4])])
        for size in sizes[1:]:
            self.layers.append(StyledConvolution(widths[size // 2], widths[size], size, up=True))
            self.layers.append(StyledConvolution(widths[size], widths[size], size, up=False))
            self.to_image.append(ToImage(widths[size]))

    def styles(self, z: Tensor) -> Tensor:
        """w [n, 512]."""
        return self.mapping(z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt())

    def synthesis(self, w: Tensor) -> Tensor:
        """Images from w."""
        x = self.layers[0](self.constant.expand(len(w), -1, -1, -1), w)
        image = self.to_image[0](x, w)
        for i, to_image in enumerate(self.to_image[1:]):
            x = self.layers[2 * i + 2](self.layers[2 * i + 1](x, w), w)
            image = F.interpolate(image, scale_factor=2, mode="bilinear") + to_image(x, w)
        return image

    def forward(self, z: Tensor) -> Tensor:
        return self.synthesis(self.styles(z))


class MappingLayer(nn.Module):
    """Fully connected, at a learning rate of 0.01: weights are large and scaled down."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(LATENT_DIM, LATENT_DIM) / 0.01)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x @ (self.weight.T * (0.01 / math.sqrt(LATENT_DIM))), 0.2) * GAIN


class Modulated(nn.Module):
    """Scale the input's channels by a style, convolve, and scale the output's channels to unit variance."""

    def __init__(self, inputs: int, outputs: int, kernel: int, up: bool, normalise: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.affine = nn.Linear(LATENT_DIM, inputs)
        nn.init.normal_(self.affine.weight, std=1 / math.sqrt(LATENT_DIM))
        nn.init.ones_(self.affine.bias)
        self.up, self.normalise = up, normalise
        blur = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("blur", (torch.outer(blur, blur) / 16).expand(outputs, 1, 4, 4).clone())

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) / math.sqrt(self.weight[0].numel())
        x = x * style[:, :, None, None]
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = F.conv2d(x, self.blur, padding=1, groups=len(self.blur))
        else:
            x = F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)
        if not self.normalise:
            return x
        variance = style.square() @ self.weight.square().sum((2, 3)).T
        return x * (variance + 1e-8).rsqrt()[:, :, None, None]


class StyledConvolution(nn.Module):
    """A modulated 3 x 3 convolution, noise, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int, up: bool):
        super().__init__()
        self.convolution = Modulated(inputs, outputs, 3, up, normalise=True)
        self.register_buffer("noise", torch.randn(size, size))
        self.noise_strength = nn.Parameter(torch.tensor(0.1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = self.convolution(x, w) + self.noise * self.noise_strength
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * GAIN


class ToImage(nn.Module):
    """A modulated 1 x 1 convolution to three channels, not normalised."""

    def __init__(self, inputs: int):
        super().__init__()
        self.convolution = Modulated(inputs, 3, 1, up=False, normalise=False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.convolution(x, w)
