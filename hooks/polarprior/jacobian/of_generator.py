"""The Jacobian of a generator in its latent, by automatic differentiation: the host's own `jacobian_fn`."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from polarprior.generator import Generator, Latents
from polarprior.jacobian.feature_map import FeatureMap
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.traced import TracedJacobian

JacobianFn = Callable[[Latents | Tensor], LinearMap]


def pixel_jacobian_fn(generator: Generator) -> JacobianFn:
    """z to the Jacobian of the images, for any generator that torch can differentiate."""

    traced = TracedJacobian(lambda z, *label: generator.synthesize(z, *label or (None,)))

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        latents = prepare(generator, latents)
        return traced.at(latents.z, *([] if latents.label is None else [latents.label]))

    return jacobian


def through(feature_map: FeatureMap, inner: JacobianFn) -> JacobianFn:
    """z to the Jacobian of phi∘G, from that of G."""

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        g = inner(latents)
        return feature_map.at(g.value) @ g

    return jacobian


def prepare(generator: Generator, latents: Latents | Tensor) -> Latents:
    """`latents` as a Jacobian wants them: on the device, and on the sphere where the model normalises.

    Where G(c z) = G(z), J(c z) = J(z) / c: without this the log-volume would carry -k log |z|, which says
    nothing about the image. The radius is sqrt(K), the typical length of a normal z.

    Raises:
        UsageError: rows of another shape, a bare Tensor for a class-conditional model, a class that it doesn't
            have.
    """
    if isinstance(latents, Tensor):
        latents = Latents(latents)
    generator.check(latents)
    latents = latents.to(generator.device, generator.dtype)
    if not generator.normalizes_latent:
        return latents
    return Latents(on_sphere(latents.z), latents.label)


def on_sphere(z: Tensor) -> Tensor:
    """Rows of z [n, *shape] scaled to length sqrt(K), K the numbers in a row."""
    flat = z.flatten(1)
    return (flat * (flat.shape[1] ** 0.5 / flat.norm(dim=1, keepdim=True))).reshape(z.shape)
