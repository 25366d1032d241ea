"""Jacobians of BigGAN's images in z, the class given, with folded batch norms."""

from __future__ import annotations

from polarprior.plugin import Generator, JacobianFn, prepare, traced_jacobian_fn
from torch import Tensor

from polarprior_biggan_deep.folding import Pass, folded


def folded_jacobian_fn(generator: Generator, stock: Pass) -> JacobianFn:
    """z to the Jacobian of the images that the folded norms of `stock`, a pass of the generator's network, give."""
    one = prepare(generator, generator.prior.draw([0], 0))
    assert one.label is not None
    draw = folded(stock, one.z, one.label)

    def images(z: Tensor, label: Tensor) -> Tensor:
        return draw(z, stock.embed(label))

    return traced_jacobian_fn(generator, images)
