"""Upsampling to few channels by a plain convolution: the last layer of many generators."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor
from torch.nn.functional import conv2d, pad, pixel_shuffle

from polarprior.jacobian.nodes import Node, aten, value_of

FEW = 8
"""Output channels up to which the transposed convolution is the slower one."""


def sub_pixel_convolution(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """What a transposed convolution makes of x, from `sub_pixel_weight` of its weight."""
    return pixel_shuffle(conv2d(x, weight, padding=weight.shape[-1] // 2), stride)


def sub_pixel_weight(weight: Tensor, stride: int, padding: int) -> Tensor:
    """[in, out, k, k] of a transposed convolution to [out s², in, taps, taps] of a plain one (Shi et al. 2016).

    The output pixel s q + r is sum_d x[q - d] w[s d + r + padding]: for each of the s² values of r a convolution.
    """
    inputs, outputs, size, _ = weight.shape
    reach = _reach(size, stride, padding)
    before, after = stride * reach - padding, stride * reach + stride + padding - size
    taps = 2 * reach + 1
    padded = pad(weight, (before, after, before, after))
    phases = padded.reshape(inputs, outputs, taps, stride, taps, stride).flip(2, 4)
    return phases.permute(1, 3, 5, 0, 2, 4).reshape(outputs * stride**2, inputs, taps, taps)


def sub_pixel_arguments(node: Node) -> dict[str, Any] | None:
    """stride and padding, where `node` is a transposed convolution to few channels that doubles (triples, ...) an
    image."""
    if node.target is not aten.convolution.default:
        return None
    x, weight, bias, stride, padding, dilation, transposed, extra, groups = node.args
    if not transposed or bias is not None or groups != 1 or len(padding) != 2 or {*dilation} != {1} or any(extra):
        return None
    _, outputs, height, width = value_of(weight).shape
    if outputs > FEW or height != width or len({*stride}) > 1 or len({*padding}) > 1:
        return None
    if any(large != stride[0] * small for large, small in zip(_sizes(node), _sizes(x), strict=True)):
        return None
    return {"stride": stride[0], "padding": padding[0]}


def _sizes(node: Node) -> tuple[int, ...]:
    return tuple(value_of(node).shape[2:])


def _reach(size: int, stride: int, padding: int) -> int:
    """The largest |d| with 0 <= s d + r + padding < size for an r from 0 to s - 1."""
    return max(math.ceil((stride - 1 + padding) / stride), (size - 1 - padding) // stride)
