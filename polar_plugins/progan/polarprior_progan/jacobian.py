"""The Jacobian of ProGAN's images on the sphere that its first pixel norm puts z on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from polarprior.plugin import Generator, JacobianFn, Latents, LinearMap, prepare, traced_jacobian_fn
from torch import Tensor, nn

PIXEL_NORMS = ("NormalizationLayer", "PixelNormLayer")
"""What the two repositories call the layer."""


def sphere_jacobian_fn(generator: Generator) -> JacobianFn:
    """z, put on the sphere of radius sqrt(K), to the Jacobian of the images along it: J = dx/dy (I - y y' / K).

    On that sphere the pixel norm of the latent changes nothing, and its Jacobian takes out the radius. So it is left
    out of the pass, which begins at y, and the radius is taken out by itself: J y = 0 to the last digit. A network
    without pixel norm is taken at z as it is.
    """
    network: Any = generator.network

    def images(y: Tensor) -> Tensor:
        with _latents_as_they_are(network):
            return generator.synthesize(y, None)

    if not generator.normalizes_latent:
        return traced_jacobian_fn(generator, lambda z: generator.synthesize(z, None))
    from_sphere = traced_jacobian_fn(generator, images)

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        return from_sphere(latents) @ _along_sphere(prepare(generator, latents).z)

    return jacobian


def _along_sphere(y: Tensor) -> LinearMap:
    """The projections I - y y' / |y|² of tangents at points y [n, K]."""
    unit = y / y.norm(dim=1, keepdim=True)

    def project(directions: Tensor) -> Tensor:
        return directions - unit[:, :, None] * (unit[:, None] @ directions)

    found = LinearMap(value=y, input_dim=y.shape[1], jvp=project, vjp=project, kept=unit[0].nbytes)
    return replace(found, bfloat16=lambda: found)


@contextmanager
def _latents_as_they_are(network: nn.Module) -> Iterator[None]:
    """Inside, pixel norms leave what has a single pixel, the latent, as it is."""
    norms: list[Any] = [layer for layer in network.modules() if type(layer).__name__ in PIXEL_NORMS]

    def spared(original: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda x: x if x.dim() == 2 or x.shape[2:].numel() == 1 else original(x)

    for norm in norms:
        norm.forward = spared(norm.forward)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward
