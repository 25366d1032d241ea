"""StyleGAN3's operators in a form whose tangents are cheap, while a Jacobian is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from polarprior_stylegan2.operators import demodulation, plain_operators, replaced
from torch import Tensor
from torch.nn.functional import conv2d

from polarprior_stylegan3.filters import filtered_by_matrices


@contextmanager
def unfused_operators(network: Any) -> Iterator[None]:
    """Inside, `network` computes with plain operators, filters by matrices, and scales images where the stock code
    scales weights.

    A network brings the module that it was written in, inside its pickle: functions are replaced there.
    """
    layer = getattr(network.synthesis, network.synthesis.layer_names[0])
    names = type(layer).forward.__globals__
    filters = names["filtered_lrelu"]
    with (
        plain_operators(),
        replaced(names, "modulated_conv2d", modulated_conv2d),
        replaced(vars(filters), "filtered_lrelu", filtered_by_matrices(filters)),
    ):
        yield


def modulated_conv2d(
    x: Tensor,
    w: Tensor,
    s: Tensor,
    demodulate: bool = True,
    padding: int = 0,
    input_gain: Tensor | None = None,
) -> Tensor:
    """y_o = d_o (w_o * (g s x)), with d_o = 1 / sqrt(sum over i and the kernel of (w_oi s_i)^2 + 1e-8) where
    `demodulate`: what the stock function of the same name computes (Karras et al. 2020, equations 1 to 3), but that
    it normalises s over the whole batch, which the demodulation cancels, and that here each row has its own.

    One convolution with the same weights for all rows and all tangents, in place of one with other weights for each.

    Args:
        x: [n, in, height, width].
        w: [out, in, kernel, kernel].
        s: styles [n, in].
        demodulate: bring each output channel to unit variance.
        padding: zeros around x.
        input_gain: a scale of x, [], [in] or [n, in].

    Returns:
        [n, out, height', width'].
    """
    scale = s
    if demodulate:
        w = w * w.square().mean([1, 2, 3], keepdim=True).rsqrt()
        scale = s = s * s.square().mean(1, keepdim=True).rsqrt()
    if input_gain is not None:
        scale = s * input_gain
    y = conv2d(x * scale.to(x.dtype)[:, :, None, None], w.to(x.dtype), padding=padding)
    if not demodulate:
        return y
    return y * demodulation(s, w).to(y.dtype)[:, :, None, None]
