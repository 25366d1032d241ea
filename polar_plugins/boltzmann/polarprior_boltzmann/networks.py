"""The paper's networks: MLPs weighted by kernels in time, with divergence and gradients in closed form.

The paper leaves architectures with analytic derivatives for later (its section 4.2); these are those of its own
architecture. With a_l the arguments of swish in layer l, and D_l the diagonal matrix of swish'(a_l), the Jacobian of
an MLP is W_out D_L W_L ... D_1 W_1: for two hidden layers its trace is a sum over the entries of
W_2 * (W_1 W_out)ᵀ, which does not depend on the point, and costs what the MLP itself does.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

SHARPNESS = 16 / 9
"""The sharpness of the kernels exp(-SHARPNESS ((t - c) / d)²), d the distance of their centres: 16 for the paper's
d = 1/3, as in its published code."""

MOST_POINTS, MOST_TANGENTS = 4096, 1 << 26
"""At once, so that memory is bounded: points, and numbers in their tangents."""


class _SwishWithSlope(torch.autograd.Function):
    """swish(a) and swish'(a); backwards it needs swish'' = (1 - s) (2 swish' - swish), s the sigmoid, as well, which
    autograd would take many more steps over memory for."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> tuple[Tensor, Tensor]:
        s = a.sigmoid()
        value = a * s
        slope = torch.addcmul(value, s, 1 - value)
        ctx.save_for_backward(s, value, slope)
        return value, slope

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        s, value, slope = ctx.saved_tensors
        of_value, of_slope = gradients
        half_bend = torch.sub(slope, value, alpha=0.5).mul_(1 - s)
        return (of_value * slope).addcmul_(half_bend, of_slope, value=2)


def swish_with_slope(a: Tensor) -> tuple[Tensor, Tensor]:
    """swish(a) = a sigmoid(a) and its derivative, of any shape."""
    return _SwishWithSlope.apply(a)


class KernelMLPs(nn.Module):
    """sum over m of w_m(t) MLP_m(x, t), the paper's parametrisation of V_t and of f_theta.

    Args:
        weights: of each layer, [kernels, units, inputs]; the first layer's last input is t.
        biases: of each layer, [kernels, 1, units].
        span: the times that the centres of the kernels are spread over.

    Raises:
        ValueError: the shapes don't belong together.
    """

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor], span: tuple[float, float] = (0.0, 1.0)):
        super().__init__()
        if len(weights) < 2 or len(weights) != len(biases) or any(each.ndim != 3 for each in [*weights, *biases]):
            raise ValueError(f"{len(weights)} layers of weights, {len(biases)} of biases")
        kernels = len(weights[0])
        inputs = [weights[0].shape[2], *(each.shape[1] for each in weights)]
        for weight, bias, expected in zip(weights, biases, inputs, strict=False):
            if weight.shape[::2] != (kernels, expected) or bias.shape != (kernels, 1, weight.shape[1]):
                raise ValueError(f"a layer of {tuple(weight.shape)} and {tuple(bias.shape)} behind {expected} units")
        if not all(each.numel() for each in weights):
            raise ValueError("a layer without units")
        self.weights = nn.ParameterList(nn.Parameter(each) for each in weights)
        self.biases = nn.ParameterList(nn.Parameter(each) for each in biases)
        self.span = span
        self.centres: Tensor
        self.register_buffer("centres", torch.linspace(*span, kernels), persistent=False)
        self._distance = (span[1] - span[0]) / max(kernels - 1, 1)

    @classmethod
    def initial(
        cls,
        dim: int,
        outputs: int,
        *,
        width: int = 64,
        layers: int = 2,
        kernels: int = 4,
        span: tuple[float, float] = (0.0, 1.0),
        noise: torch.Generator,
    ) -> KernelMLPs:
        """Starting weights: normal with variance 1 / inputs, biases 0.

        Args:
            dim: K, numbers in x.
            outputs: K for a field, 1 for an energy.
            width: units of a hidden layer.
            layers: hidden layers.
            kernels: MLPs.
            span: see the class.
            noise: draws the weights.
        """
        sizes = [dim + 1, *[width] * layers, outputs]
        pairs = list(pairwise(sizes))
        weights = [torch.randn(kernels, units, inputs, generator=noise) / sqrt(inputs) for inputs, units in pairs]
        return cls(weights, [torch.zeros(kernels, 1, units) for _, units in pairs], span)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.centres.device

    @property
    def at_once(self) -> int:
        """Points whose divergence is taken at once: from three hidden layers on a point has kernels · K tangents."""
        if len(self.weights) <= 3:
            return MOST_POINTS
        kernels, width, inputs = self.weights[0].shape
        return max(1, min(MOST_POINTS, MOST_TANGENTS // (kernels * width * inputs)))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """The value at x [n, K] and times t, [n] or one for all: [n, outputs]."""
        h = torch.nn.functional.silu(self._first(x, t))
        for weight, bias in zip(list(self.weights)[1:-1], list(self.biases)[1:-1], strict=True):
            h = torch.nn.functional.silu(torch.baddbmm(bias, h, weight.mT))
        return self._weighted(torch.baddbmm(self.biases[-1], h, self.weights[-1].mT), self.kernel(t))

    def with_divergence(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """The value [n, K] and its divergence [n] at x [n, K] and times t, [n] or one for all."""
        h, slopes = self._hidden(x, t)
        value = torch.baddbmm(self.biases[-1], h, self.weights[-1].mT)
        trace = self._trace(slopes)
        kernel = self.kernel(t)
        return self._weighted(value, kernel), (kernel.mT * trace).sum(0)

    def with_gradient(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Take the value [n], gradient [n, K] and derivative in time [n] of an energy, outputs = 1."""
        h, slopes = self._hidden(x, t)
        value = torch.baddbmm(self.biases[-1], h, self.weights[-1].mT)[..., 0]
        pulled = self.weights[-1] * slopes[-1]
        for weight, slope in zip(reversed(list(self.weights)[1:-1]), reversed(slopes[:-1]), strict=True):
            pulled = (pulled @ weight) * slope
        slope_of_each = pulled @ self.weights[0]
        kernel = self.kernel(t)
        change = self._kernel_slope(t, kernel).mT
        kernel = kernel.mT
        gradient = (kernel[..., None] * slope_of_each).sum(0)
        return (kernel * value).sum(0), gradient[:, :-1], (change * value).sum(0) + gradient[:, -1]

    def kernel(self, t: Tensor) -> Tensor:
        """w_m(t), [n, kernels], n = 1 for one time; 1 where there is one MLP."""
        if len(self.centres) == 1:
            return torch.ones_like(t).reshape(-1, 1)
        away = (t.reshape(-1, 1) - self.centres) / self._distance
        return torch.exp(-SHARPNESS * away.square())

    def _kernel_slope(self, t: Tensor, kernel: Tensor) -> Tensor:
        """The derivatives of w_m(t) in t, [n, kernels]."""
        if len(self.centres) == 1:
            return torch.zeros_like(kernel)
        return (self.centres - t.reshape(-1, 1)) * (2 * SHARPNESS / self._distance**2) * kernel

    def _first(self, x: Tensor, t: Tensor) -> Tensor:
        """Arguments of the first layer, [kernels, n, width]."""
        weight = self.weights[0]
        bias = self.biases[0] + t.reshape(1, -1, 1) * weight[:, None, :, -1]
        return torch.baddbmm(bias, x.expand(len(weight), *x.shape), weight[..., :-1].mT)

    def _hidden(self, x: Tensor, t: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The last hidden layer [kernels, n, width], and the slopes of swish in each."""
        h, slope = swish_with_slope(self._first(x, t))
        slopes = [slope]
        for weight, bias in zip(list(self.weights)[1:-1], list(self.biases)[1:-1], strict=True):
            h, slope = swish_with_slope(torch.baddbmm(bias, h, weight.mT))
            slopes.append(slope)
        return h, slopes

    def _trace(self, slopes: list[Tensor]) -> Tensor:
        """The trace of each MLP's Jacobian in x, [kernels, n], from the slopes [kernels, n, width] of its layers."""
        first, last = self.weights[0][..., :-1], self.weights[-1]
        if len(slopes) == 1:
            return (slopes[0] * (first * last.mT).sum(2)[:, None]).sum(2)
        if len(slopes) == 2:
            through = self.weights[1] * (first @ last).mT
            return (torch.bmm(slopes[0], through.mT) * slopes[1]).sum(2)
        kernels, n, width = slopes[0].shape
        tangents = slopes[0][:, :, None] * first.mT[:, None]
        for weight, slope in zip(list(self.weights)[1:-2], slopes[1:-1], strict=True):
            tangents = (tangents.reshape(kernels, -1, width) @ weight.mT).reshape(tangents.shape) * slope[:, :, None]
        reached = (tangents.reshape(kernels, -1, width) @ self.weights[-2].mT).reshape(kernels, n, -1, width)
        return (reached * (slopes[-1][:, :, None] * last[:, None])).sum((2, 3))

    @staticmethod
    def _weighted(values: Tensor, kernel: Tensor) -> Tensor:
        """sum over m of kernel [n, m] times values [m, n, outputs]."""
        return (kernel.mT[..., None] * values).sum(0)


class OfTime(nn.Module):
    """The paper's C_t: an MLP of time alone.

    Args:
        width, layers: as those of `KernelMLPs`.
        noise: draws the starting weights.
    """

    def __init__(self, *, width: int = 64, layers: int = 2, noise: torch.Generator):
        super().__init__()
        sizes = [1, *[width] * layers, 1]
        linear = [nn.utils.skip_init(nn.Linear, *pair) for pair in pairwise(sizes)]
        for layer in linear:
            with torch.no_grad():
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=noise) / sqrt(layer.in_features))
                layer.bias.zero_()
        self.layers = nn.ModuleList(linear)

    def forward(self, t: Tensor) -> Tensor:
        """C at times t [n]: [n]."""
        h = t[:, None]
        for layer in self.layers[:-1]:
            h = torch.nn.functional.silu(layer(h))
        return self.layers[-1](h)[:, 0]
