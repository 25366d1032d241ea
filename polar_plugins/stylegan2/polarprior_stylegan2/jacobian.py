"""Jacobians of a style-based network of NVIDIA's, with operators that can be differentiated forwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from polarprior.plugin import Generator, JacobianFn, style_jacobian_fn
from torch import Tensor

from polarprior_stylegan2.generator import images_of, styles_of


def network_jacobian_fn(
    generator: Generator,
    space: str,
    domain: str,
    operators: Callable[[Any], AbstractContextManager[None]],
) -> JacobianFn | None:
    """`polarprior.plugin.style_jacobian_fn` of the network.

    Args:
        generator: with the network.
        space, domain: see there.
        operators: a context in which the network's operators can be differentiated forwards, for less.
    """
    network, settings = generator.network, generator.settings

    def styles(z: Tensor, *label: Tensor) -> Tensor:
        with operators(network):
            return styles_of(network, z, label[0] if label else None, settings.trunc)

    def images(w: Tensor) -> Tensor:
        with operators(network):
            return images_of(network, w, settings)

    return style_jacobian_fn(generator, space, domain, styles, images)
