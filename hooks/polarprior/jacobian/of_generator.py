"""The Jacobian of a generator in its latent, by automatic differentiation: the host's own `jacobian_fn`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from polarprior.generator import Generator, Latents
from polarprior.jacobian.feature_map import FeatureMap
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.traced import TracedJacobian

JacobianFn = Callable[[Latents | Tensor], LinearMap]
"""Latents (or a bare Tensor z [n, *shape] where there are no classes) to their Jacobians."""


class JacobianOf(Protocol):
    """Gives the `JacobianFn` of a generator, as `polarprior.host.Host.jacobian_fn` does.

    Whatever takes Jacobians is handed one, so that the host that was asked first is the one that is asked here.
    """

    def __call__(self, generator: Generator, space: str = "pixel", domain: str = "z") -> JacobianFn:
        """The Jacobian of the map from `domain` to `space`."""
        ...


def pixel_jacobian_fn(generator: Generator) -> JacobianFn:
    """z to the Jacobian of the images, for any generator that torch can differentiate."""
    return traced_jacobian_fn(generator, lambda z, *label: generator.synthesize(z, *label or (None,)))


def traced_jacobian_fn(generator: Generator, images: Callable[..., Tensor]) -> JacobianFn:
    """z to the Jacobian of `images`, a model's own pass: the same pictures in a form that is traced or run for less.

    Args:
        generator: the model.
        images: z [n, *shape], as `prepare` gives it, and labels int64 [n] where there are classes, to [n, ...].
    """
    traced = TracedJacobian(images)

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


def rank_of(generator: Generator, domain: str, linear_map: LinearMap) -> int:
    """The largest rank that a Jacobian from `domain` can have; `Generator.rank_bound` is of z alone."""
    inputs = generator.rank_bound if domain == "z" else linear_map.input_dim
    return min(inputs, linear_map.output_dim)


def on_sphere(z: Tensor) -> Tensor:
    """Rows of z [n, *shape] scaled to length sqrt(K), K the numbers in a row."""
    flat = z.flatten(1)
    return (flat * (flat.shape[1] ** 0.5 / flat.norm(dim=1, keepdim=True))).reshape(z.shape)
