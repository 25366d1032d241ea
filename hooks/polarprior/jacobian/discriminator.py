"""A checkpoint's own discriminator: what it says of images, and the space of its last features."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from polarprior.errors import UsageError
from polarprior.generator import Generator
from polarprior.jacobian.feature_map import FeatureMap, one_at_a_time

DISCRIMINATOR = "discriminator"
LOGISTIC = "logistic"


class Discriminator:
    """What a checkpoint's discriminator makes of images, of each of them alone.

    A statistic over the minibatch is one over a group of one. So no image changes what another gives, and all is, bit
    for bit, the network's own forward pass at batch size 1.

    Args:
        make: gives the network, in eval mode, with its weights; called when it is first needed.
        judge: (network, image [1, C, H, W], label int64 [1], or None for any) to its logit, one number.
        last: (network) to the layer that makes the logit: what it is given are the features, which don't see the
            class.
        loss: what it was trained by, such as ``logistic`` or ``hinge``; None where the checkpoint doesn't say.

    Attributes:
        loss: see above.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        judge: Callable[[Any, Tensor, Tensor | None], Tensor],
        last: Callable[[Any], nn.Module],
        loss: str | None = None,
    ):
        self._make, self._judge, self._last = make, judge, last
        self.loss = loss

    @property
    def tells_ratio(self) -> bool:
        """Whether its logits estimate log p_data / p_G, as the logistic loss makes them (Goodfellow et al. 2014)."""
        return self.loss == LOGISTIC

    def __call__(self, images: Tensor, label: Tensor | None = None) -> Tensor:
        """Logits [n] of images [n, C, H, W] in [-1, 1], with their classes int64 [n] where the model has some."""
        network = self._on(images.device)
        labels = [None] * len(images) if label is None else list(label.split(1))
        pairs = zip(images.split(1), labels, strict=True)
        return torch.cat([self._judge(network, image, own).reshape(1) for image, own in pairs])

    def features(self, images: Tensor) -> Tensor:
        """The last features before the logit, [n, D], of images [n, C, H, W] in [-1, 1]; differentiable."""
        return one_at_a_time(self._features)(images)

    def _features(self, image: Tensor) -> Tensor:
        network = self._on(image.device)
        seen: list[Tensor] = []
        hook = self._last(network).register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
        try:
            self._judge(network, image, None)
        finally:
            hook.remove()
        return seen[0].flatten(1)

    def _on(self, device: torch.device) -> nn.Module:
        network = self._network
        first = next(network.parameters(), None)
        return network if first is None or first.device == device else network.to(device)

    @cached_property
    def _network(self) -> nn.Module:
        return self._make().eval().requires_grad_(False)


def discriminator_map(generator: Generator) -> FeatureMap:
    """The space ``discriminator``: the features of the checkpoint's own `Discriminator`.

    Raises:
        UsageError: the checkpoint holds none.
    """
    found = generator.discriminator
    if not isinstance(found, Discriminator):
        raise UsageError(
            f"space: got {DISCRIMINATOR}, and {generator.model} holds no discriminator",
            "use space=pixel, or a checkpoint that holds one",
        )
    return FeatureMap(DISCRIMINATOR, found.features)
