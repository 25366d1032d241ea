"""The stock operators as plain torch, while a Jacobian is taken: the fast ones can't be differentiated forwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

WITH_CUDA_KERNELS = ("bias_act", "upfirdn2d", "filtered_lrelu")
EPSILON = 1e-8
"""What the stock demodulation adds to a variance."""


@contextmanager
def plain_operators() -> Iterator[None]:
    """Inside, the operators of the checkout are those that it uses on a CPU, on any device."""
    with ExitStack() as stack:
        for name in WITH_CUDA_KERNELS:
            module = sys.modules.get(f"torch_utils.ops.{name}")
            if module is not None:
                stack.enter_context(replaced(vars(module), "_init", lambda: False))
        yield


@contextmanager
def unfused_operators(network: Any) -> Iterator[None]:
    """Inside, `network`, a StyleGAN2, computes with plain operators, and scales images where the stock code scales
    weights.

    A network brings the module that it was written in, inside its pickle: the function is replaced there.
    """
    layer = getattr(network.synthesis, f"b{network.synthesis.block_resolutions[0]}").conv1
    names = type(layer).forward.__globals__

    def modulated_conv2d(
        x: Tensor,
        weight: Tensor,
        styles: Tensor,
        noise: Tensor | None = None,
        demodulate: bool = True,
        resample_filter: Tensor | None = None,
        fused_modconv: bool = True,
        **resampling: Any,
    ) -> Tensor:
        """y_o = d_o (w_o * (s x)) + noise, as the stock function of the same name computes it (Karras et al. 2020,
        equations 1 to 3): one convolution with the same weights for all rows and all tangents, resampled as stock
        code does it."""
        x = x * styles.to(x.dtype)[:, :, None, None]
        y = names["conv2d_resample"].conv2d_resample(x=x, w=weight.to(x.dtype), f=resample_filter, **resampling)
        if demodulate:
            y = y * demodulation(styles, weight).to(y.dtype)[:, :, None, None]
        return y if noise is None else y + noise.to(y.dtype)

    with plain_operators(), replaced(names, "modulated_conv2d", modulated_conv2d):
        yield


def demodulation(styles: Tensor, weight: Tensor) -> Tensor:
    """d_o = 1 / sqrt(sum over i and the kernel of (w_oi s_i)^2 + 1e-8): what brings each output channel to unit
    variance (Karras et al. 2020, equation 3), as a product of styles and weights that are summed once.

    Args:
        styles: s, [n, in].
        weight: w, [out, in, kernel, kernel].

    Returns:
        [n, out].
    """
    return torch.rsqrt(styles.square() @ weight.square().sum([2, 3]).mT + EPSILON)


@contextmanager
def replaced(names: dict[str, Any], name: str, value: Any) -> Iterator[None]:
    """Inside, ``names[name]`` is `value`."""
    before = names[name]
    names[name] = value
    try:
        yield
    finally:
        names[name] = before
