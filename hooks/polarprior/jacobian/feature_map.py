"""Where volume is measured: a FeatureMap takes images to a space, and gives its Jacobian."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.traced import TracedJacobian


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """phi: images to the features of a space.

    Attributes:
        space: its name.
        function: images [n, C, H, W] in [-1, 1] to features [n, D]; deterministic, each row on its own,
            differentiable by torch. `pixel` takes any [n, ...].
        places: the same images to features at the places of a map, [n, D, h, w], whose mean over them are those of
            `function`; None where the space has no such map.
    """

    space: str
    function: Callable[[Tensor], Tensor]
    places: Callable[[Tensor], Tensor] | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Features [n, D] of `images`."""
        return self.function(images)

    def at(self, images: Tensor) -> LinearMap:
        """The Jacobian of phi at each image, for ``phi.at(g.value) @ g``."""
        return self._jacobian.at(images)

    @cached_property
    def _jacobian(self) -> TracedJacobian:
        return TracedJacobian(self.function)


def one_at_a_time(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A function of images, each of them alone, so that to the last bit none changes what another gives.

    Statistics over a minibatch are over one image then. It costs a pass an image, but nothing where a Jacobian is
    taken, which is traced for one image anyway.

    Args:
        function: images [1, C, H, W] to features [1, D].
    """
    return lambda images: torch.cat([function(image) for image in images.split(1)])


PIXEL = FeatureMap("pixel", lambda images: images.flatten(1))
"""The images themselves."""
