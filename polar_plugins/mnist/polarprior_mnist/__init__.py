"""Small generators of 28 x 28 digits, with their weights, as a polarprior plugin: to learn with, and to measure on.
Importing it does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    import torch
    from polarprior.plugin import FeatureMap, Generator, JacobianFn, OwnSetting, Settings

NAME = "mnist"
ONE_STEP = "onestep"
__version__ = "0.1.0"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``mnist:MODEL``, one of `polarprior_mnist.zoo.MODELS`, such as ``mnist:wgan``, or ``mnist:onestep``."""
    if source == ONE_STEP:
        from polarprior_mnist import onestep

        return onestep.load(device, settings)
    from polarprior_mnist.generators import load

    return load(source, device, settings)


@hookimpl
def own_settings(source: str | None) -> Mapping[str, OwnSetting]:
    """Those of ``mnist:onestep``; the others have none."""
    if source != ONE_STEP:
        return {}
    from polarprior_mnist import onestep

    return onestep.own_settings()


@hookimpl
def space_names() -> list[str]:
    """What the networks that look at digits give."""
    return ["classifier", "classifier-logits", "encoder"]


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """``mnist:classifier``, its ``-logits``, and ``mnist:encoder``: what networks that look at digits see."""
    from polarprior_mnist.spaces import feature_map

    return feature_map(generator, space)


@hookimpl
def jacobian_fn(generator: Generator, space: str, domain: str) -> JacobianFn | None:
    """The Jacobian of ``mnist:style``: of images or styles, by z or by w; and of ``mnist:onestep``."""
    from polarprior.plugin import style_jacobian_fn

    if hasattr(generator, "jacobian"):  # a pipeline
        from polarprior_mnist import onestep

        return onestep.jacobian_fn(generator, space, domain)
    styles = generator.styles
    if styles is None:
        return None
    return style_jacobian_fn(generator, space, domain, lambda z: styles.of(z, None), styles.images)
