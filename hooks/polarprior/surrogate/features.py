"""What one forward pass tells of a latent: active channels, strengths of layers, how the image looks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from polarprior.generator import Generator, Latents
from polarprior.jacobian.of_generator import prepare

TINY = 1e-12
LAST = 2
"""Passes through its network that are looked at, of a generator that is a chain of them."""
NO_RECTIFIERS = (nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.LogSoftmax)


class Features(NamedTuple):
    """What a forward pass tells of n latents.

    Attributes:
        activity: float64 [n, A], the share of positive values in each channel of each layer.
        scalars: float64 [n, S], log mean square of each layer, and of the image brightness, log contrast, log
            texture and log share of what tanh has not saturated.
        images: what the generator gave, [n, ...].
    """

    activity: np.ndarray
    scalars: np.ndarray
    images: Tensor


class FeaturesOf:
    """Latents to their `Features`, n forward passes.

    The inputs of the network's activation functions are looked at, where these are modules; else the outputs of all
    modules that have parameters of their own. A generator without a network has those of its image alone, and of one
    that goes through its network many times the last passes are looked at, which make the picture.

    Args:
        generator: the model.
    """

    def __init__(self, generator: Generator):
        self._generator = generator
        modules = [] if generator.network is None else list(generator.network.modules())
        self._rectifiers = [each for each in modules if _is_activation(each)]
        self._layers = [each for each in modules if not self._rectifiers and any(True for _ in _own_parameters(each))]
        label = None if generator.num_classes is None else 0
        self._kept: int | None = None
        seen = [self._forward(generator.prior.draw(range(n), label))[0] for n in (2, 3)]
        if generator.evaluations > LAST:
            self._kept = LAST * len(seen[0]) // generator.evaluations
            seen = [each[-self._kept :] for each in seen]
        # Not all that a module sees has a row a latent: a learned constant has its own number of rows.
        self._counts = [(len(two), len(three)) == (2, 3) for two, three in zip(*seen, strict=True)]

    def __call__(self, latents: Latents) -> Features:
        """Features of n latents, which go through the network at once."""
        seen, images = self._forward(latents)
        n = len(latents)
        channels = [
            values.reshape(n, values.shape[1], -1)
            for values, counts in zip(seen, self._counts, strict=True)
            if counts and values.ndim >= 2
        ]
        shares = [(each > 0).float().mean(2) for each in channels]
        sizes = [_log(each.float().square().mean((1, 2))) for each in channels]
        scalars = torch.stack([*sizes, *_of_image(images.float())], 1)
        activity = torch.cat(shares, 1) if shares else torch.empty(n, 0)
        return Features(activity.cpu().double().numpy(), scalars.cpu().double().numpy(), images)

    def _forward(self, latents: Latents) -> tuple[list[Tensor], Tensor]:
        """The tensors that the modules which are looked at see, in the order of the calls; and the images."""
        latents = prepare(self._generator, latents)
        seen: deque[Tensor] = deque(maxlen=self._kept)

        def look(values: Any) -> None:
            if isinstance(values, Tensor) and values.ndim >= 1 and values.is_floating_point():
                seen.append(values.detach().clone())  # the next layer may work in place

        with ExitStack() as hooks, torch.no_grad():
            for module in self._rectifiers:
                hooks.callback(module.register_forward_pre_hook(_before(look)).remove)
            for module in self._layers:
                hooks.callback(module.register_forward_hook(_after(look)).remove)
            images = self._generator.synthesize(latents.z, latents.label)
        return list(seen), images


def _of_image(images: Tensor) -> list[Tensor]:
    flat = images.flatten(1)
    found = [flat.mean(1), _log(flat.var(1, correction=0)), _log((1 - flat.square()).square().mean(1))]
    if images.ndim == 4:
        axes = [axis for axis in (-2, -1) if images.shape[axis] > 1]
        found += [_log(images.diff(dim=axis).square().flatten(1).mean(1)) for axis in axes]
    return found


def _log(values: Tensor) -> Tensor:
    return values.clamp_min(TINY).log()


def _is_activation(module: nn.Module) -> bool:
    own = type(module).__module__ == nn.ReLU.__module__
    return own and not isinstance(module, NO_RECTIFIERS)


def _own_parameters(module: nn.Module) -> Any:
    return module.parameters(recurse=False)


def _before(look: Callable[[Any], None]) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    return lambda module, inputs: look(inputs[0]) if inputs else None


def _after(look: Callable[[Any], None]) -> Callable[[nn.Module, Any, Any], None]:
    return lambda module, inputs, output: look(output)
