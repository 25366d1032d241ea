"""What a plugin returned is checked here, and the error blames the plugin."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from polarprior.errors import PluginError
from polarprior.generator import Generator, Latents
from polarprior.prior.sampler import LatentSampler
from polarprior.volume.feature_map import FeatureMap
from polarprior.volume.jacobian import JacobianFn
from polarprior.volume.linear_map import LinearMap


def checked_generator(answer: Any, plugin: str) -> Generator:
    """`answer` if it is a Generator whose prior and images keep their contract, tried on two seeds."""
    if not isinstance(answer, Generator):
        raise _broken(plugin, "load_generator", f"returned {type(answer).__name__}, expected a Generator")
    latents = answer.prior.draw([0, 1], None if answer.num_classes is None else 0)
    if tuple(latents.z.shape) != (2, *answer.prior.shape) or not latents.z.is_floating_point():
        raise _broken(
            plugin,
            "load_generator",
            f"prior.draw of 2 seeds gave {latents.z.dtype} {list(latents.z.shape)}, "
            f"expected floats [2, {', '.join(map(str, answer.prior.shape))}]",
        )
    _check_tensor(latents.z, plugin, "load_generator", "prior.draw")
    images = answer(latents)
    if len(images) != 2 or not images.is_floating_point():
        raise _broken(plugin, "load_generator", f"images of 2 latents are {images.dtype} {list(images.shape)}")
    _check_tensor(images, plugin, "load_generator", "an image")
    return answer


def checked_feature_map(answer: Any, generator: Generator, plugin: str) -> FeatureMap:
    """`answer` if it is a FeatureMap that gives finite features [n, D]."""
    if not isinstance(answer, FeatureMap):
        raise _broken(plugin, "get_feature_map", f"returned {type(answer).__name__}, expected a FeatureMap")
    images = generator(generator.prior.draw([0, 1], None if generator.num_classes is None else 0))
    with torch.no_grad():
        features = answer(images)
    if features.ndim != 2 or len(features) != 2:
        raise _broken(plugin, "get_feature_map", f"features of 2 images are {list(features.shape)}")
    _check_tensor(features, plugin, "get_feature_map", "a feature")
    return answer


def checked_jacobian_fn(answer: Any, generator: Generator, plugin: str) -> JacobianFn:
    """`answer`, wrapped so that each LinearMap it returns is checked."""
    if not callable(answer):
        raise _broken(plugin, "jacobian_fn", f"returned {type(answer).__name__}, expected a function")

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        linear_map = answer(latents)
        if not isinstance(linear_map, LinearMap):
            kind = type(linear_map).__name__
            raise _broken(plugin, "jacobian_fn", f"its function returned {kind}, expected a LinearMap")
        if len(linear_map) != len(latents):
            raise _broken(plugin, "jacobian_fn", f"{len(linear_map)} Jacobians for {len(latents)} latents")
        _check_tensor(linear_map.value, plugin, "jacobian_fn", "the generator's output")
        return linear_map

    return jacobian


def checked_sampler(answer: Any, generator: Generator, plugin: str) -> LatentSampler:
    """`answer` if it has what a LatentSampler has and redraws one latent as it must."""
    for name in ("redraw", "sample", "diagnostics"):
        if not hasattr(answer, name):
            raise _broken(plugin, "get_latent_sampler", f"{type(answer).__name__} has no {name}")
    return answer


def _check_tensor(values: Tensor, plugin: str, hook: str, what: str) -> None:
    if not bool(torch.isfinite(values).all()):
        raise _broken(plugin, hook, f"{what} holds NaN or infinity")


def _broken(plugin: str, hook: str, what: str) -> PluginError:
    return PluginError(
        f"plugin {plugin} breaks the contract of {hook}: {what}",
        "report it to the plugin's authors; polarprior.testing is the suite it must pass",
    )
