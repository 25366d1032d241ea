"""The DCGAN's Jacobian by hand, at about a forward pass a tangent."""

from __future__ import annotations

import torch
from polarprior.generator import Generator, Latents
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.of_generator import JacobianFn, prepare
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d


def folded_jacobian_fn(generator: Generator) -> JacobianFn:
    """z to the Jacobian of the images, see `polarprior.hookspecs.HookSpecs.jacobian_fn`."""
    layers = _fold(generator.network.layers)

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        with torch.no_grad():
            return _at(layers, prepare(generator, latents).z)

    return jacobian


class _Layer:
    """A transposed convolution with its batch norm folded in: weight, bias, stride, padding."""

    def __init__(self, convolution: nn.ConvTranspose2d, norm: nn.BatchNorm2d | None):
        weight, bias = convolution.weight, None
        if norm is not None:
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            weight = weight * scale[None, :, None, None]
            bias = norm.bias - norm.running_mean * scale
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.where = {"stride": convolution.stride, "padding": convolution.padding}

    def forward(self, x: Tensor) -> Tensor:
        return conv_transpose2d(x, self.weight, self.bias, **self.where)

    def tangent(self, t: Tensor) -> Tensor:
        return conv_transpose2d(t, self.weight, **self.where)

    def cotangent(self, c: Tensor) -> Tensor:
        return conv2d(c, self.weight, **self.where)


def _fold(layers: nn.Sequential) -> list[_Layer]:
    convolutions = [layer for layer in layers if isinstance(layer, nn.ConvTranspose2d)]
    norms = [layer for layer in layers if isinstance(layer, nn.BatchNorm2d)]
    return [_Layer(convolution, norm) for convolution, norm in zip(convolutions, [*norms, None], strict=True)]


def _at(layers: list[_Layer], z: Tensor) -> LinearMap:
    """The linear map at each z [n, K]: the layers, with each activation's slope frozen at z."""
    slopes = []
    x = z[:, :, None, None]
    for layer in layers[:-1]:
        x = layer.forward(x)
        # In the tangents' own memory layout: in another, this product costs six times as much.
        slopes.append((x > 0).to(x.dtype).contiguous(memory_format=torch.channels_last))
        x = x.relu()
    images = layers[-1].forward(x).tanh()
    slopes.append((1 - images**2).contiguous(memory_format=torch.channels_last))

    def jvp(tangents: Tensor) -> Tensor:
        n, _, m = tangents.shape
        out = tangents.new_empty(n, m, images[0].numel())
        for row in range(n):  # one latent at a time: its slopes are shared by all m tangents
            t = tangents[row].T[:, :, None, None]
            for layer, slope in zip(layers, slopes, strict=True):
                t = layer.tangent(t).mul_(slope[row])
            out[row] = t.flatten(1)
        return out.movedim(1, -1)

    def vjp(cotangents: Tensor) -> Tensor:
        n, _, m = cotangents.shape
        out = cotangents.new_empty(n, m, z.shape[1])
        for row in range(n):
            c = cotangents[row].T.reshape(m, *images.shape[1:]).clone(memory_format=torch.channels_last)
            for layer, slope in zip(reversed(layers), reversed(slopes), strict=True):
                c = layer.cotangent(c.mul_(slope[row]))
            out[row] = c.flatten(1)
        return out.movedim(1, -1)

    return LinearMap(value=images, input_dim=z.shape[1], jvp=jvp, vjp=vjp)
