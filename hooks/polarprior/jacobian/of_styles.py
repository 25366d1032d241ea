"""Jacobians of a style-based generator: of its mapping network, of its synthesis network, and of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from polarprior.errors import UsageError
from polarprior.generator import Generator, Latents
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.mapping_start import mapping_start
from polarprior.jacobian.of_generator import JacobianFn, prepare
from polarprior.jacobian.traced import TracedJacobian

STYLE = "style"


def style_jacobian_fn(
    generator: Generator,
    space: str,
    domain: str,
    styles: Callable[..., Tensor],
    images: Callable[[Tensor], Tensor],
) -> JacobianFn | None:
    """A `jacobian_fn` for the spaces ``pixel`` and ``style`` and the domains ``z`` (on the sphere) and ``w``.

    With w = f(z) the mapping network's output, one style for all layers and truncated as the settings say, and
    x = g(w) the image: ``pixel`` from ``z`` is dx/dw dw/dz, and knows from dw/dz where to start; ``pixel`` from ``w``
    is dx/dw at w = f(z), so that latents of a bank are still seeds and w has the law that the prior gives it;
    ``style`` is dw/dz.

    Args:
        generator: the model.
        space, domain: see above; None is returned for another space.
        styles: f, z [n, K] (and labels int64 [n] where there are classes) to w [n, w_dim].
        images: g, w [n, w_dim] to images [n, C, H, W].

    Raises:
        UsageError: ``style`` from ``w``, which would be the identity.
    """
    if space == STYLE and domain == "w":
        raise UsageError("space: style is w itself, got domain=w", "use domain=z, or space=pixel")
    if space not in ("pixel", STYLE):
        return None
    styles_traced, images_traced = TracedJacobian(styles), TracedJacobian(images)

    def jacobian(latents: Latents | Tensor) -> LinearMap:
        latents = prepare(generator, latents)
        of_styles = styles_traced.at(latents.z, *([] if latents.label is None else [latents.label]))
        if space == STYLE:
            return of_styles
        of_images = images_traced.at(of_styles.value)
        if domain == "w":
            return of_images
        return of_images @ replace(of_styles, start=mapping_start(of_styles))

    return jacobian
