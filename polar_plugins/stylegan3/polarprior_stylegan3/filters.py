"""StyleGAN3's filtered nonlinearity as products of matrices, which a CPU computes faster than filters of one axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LARGEST = 532
"""Pixels a side up to which products were found to be faster, 1.05 to 3 times."""


def filtered_by_matrices(module: Any) -> Callable[..., Tensor]:
    """Give a function to stand in for ``filtered_lrelu`` of a checkout's ``torch_utils.ops.filtered_lrelu``.

    A layer makes images larger, bends them by a leaky ReLU, and makes them smaller (Karras et al. 2021, section 3.2
    and figure 4b). Both filters are of one axis: resampling is one product with a matrix an axis, from the left and
    from the right. What comes out differs by rounding. Filters of two axes (config R), images larger than `LARGEST`,
    and GPUs are left to the stock function.

    Args:
        module: of the checkout.
    """
    stock = module.filtered_lrelu

    def filtered_lrelu(
        x: Tensor,
        fu: Tensor | None,
        fd: Tensor | None,
        b: Tensor,
        up: int,
        down: int,
        padding: Any,
        gain: float,
        slope: float,
        clamp: float | None,
    ) -> Tensor:
        of_two_axes = any(f is not None and f.ndim > 1 for f in (fu, fd))
        if x.device.type != "cpu" or max(x.shape[2:]) > LARGEST or of_two_axes:
            bent: Tensor = stock(x, fu, fd, b, up, down, padding, gain, slope, clamp)
            return bent
        left, right, top, bottom = module._parse_padding(padding)
        rows = resampling(x.shape[2], fu, up, 1, top, bottom).to(x)
        columns = resampling(x.shape[3], fu, up, 1, left, right).to(x)
        wide = torch.nn.functional.leaky_relu(rows @ ((x + b[:, None, None]) @ columns.mT), slope)
        if clamp is not None:
            wide = wide.clamp(-clamp / gain, clamp / gain)
        rows = gain * resampling(wide.shape[2], fd, 1, down, 0, 0).to(x)
        columns = resampling(wide.shape[3], fd, 1, down, 0, 0).to(x)
        return rows @ (wide @ columns.mT)

    return filtered_lrelu


def resampling(size: int, f: Tensor | None, up: int, down: int, before: int, after: int) -> Tensor:
    """The matrix [out, size] that resamples one axis.

    It puts ``up - 1`` zeros after each number, pads with zeros (crops, where `before` or `after` is below 0), filters
    by `f` times `up`, and keeps every `down`-th number: upfirdn of the stock code.

    Args:
        size: numbers of the axis.
        f: [taps]; none where None.
        up: how many times as many numbers it makes.
        down: how many times fewer it keeps.
        before: zeros before the axis.
        after: zeros after it.
    """
    taps = (torch.ones(1) if f is None else f.flip(0)) * up
    wide = size * up + before + after
    starts = down * torch.arange((wide - len(taps)) // down + 1)
    tap = up * torch.arange(size) + before - starts[:, None]
    return torch.where((tap >= 0) & (tap < len(taps)), taps[tap.clamp(0, len(taps) - 1)], 0)
