"""BigGAN's conditional batch norms as one scale and one shift each, all of them from one product.

In eval mode such a norm is y = x A(c) + B(c), with c its part of the latent and of the class embedding, and A and B
affine in c (Brock et al. 2019, appendix B). So all scales and shifts of a network are the latent times one matrix,
plus what the class gives: two products a latent in place of two a layer, and nothing left of the statistics.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Draw = Callable[[Tensor, Tensor], Tensor]
AGREEMENT = 1e-3
"""Largest difference between folded images and stock ones, in [-1, 1]."""


class Pass(NamedTuple):
    """A stock network's pass to its images, in two steps.

    Attributes:
        embed: labels int64 [n] to what the network makes of a class, [n, E].
        draw: (z [n, K], embedding [n, E]) to images.
        norms: the conditional batch norms on the way, whose last argument is their condition: some of the numbers of
            z and of the embedding.
    """

    embed: Callable[[Tensor], Tensor]
    draw: Draw
    norms: Sequence[nn.Module]


class _Seen(NamedTuple):
    """What a norm is given in a pass: how many channels, and the arguments behind them."""

    norm: nn.Module
    channels: int
    others: tuple[Any, ...]
    condition: Tensor


class FoldedNorms:
    """The conditional norms of a network, folded.

    Args:
        draw: (z [n, K], embedding [n, E]) to images, by the stock network.
        norms: its conditional batch norms, as `Pass` has them.
        z, embedding: one of each.
    """

    def __init__(self, draw: Draw, norms: Sequence[nn.Module], z: Tensor, embedding: Tensor):
        self._draw = draw
        z_dim, width = z.shape[1], z.shape[1] + embedding.shape[1]
        # A pass over the numbers' own places shows which of them each norm sees.
        places = torch.arange(width, device=z.device, dtype=z.dtype)[None]
        self._norms: list[nn.Module] = []
        self._channels: list[int] = []
        scales: list[Tensor] = []
        shifts: list[Tensor] = []
        for seen in _conditions(draw, norms, places[:, :z_dim], places[:, z_dim:]):
            scale, shift = _probed(seen)
            columns = seen.condition[0].long().cpu()
            self._norms.append(seen.norm)
            self._channels.append(scale.shape[1])
            for affine, found in ((scale, scales), (shift, shifts)):
                spread = affine.new_zeros(width + 1, affine.shape[1])
                spread[columns], spread[width] = affine[:-1], affine[-1]
                found.append(spread)
        table = torch.cat([*scales, *shifts], 1).to(z)
        self._of_z, self._of_embedding, self._constant = table[:z_dim], table[z_dim:width], table[width]
        self._see_z = bool(self._of_z.any())

    def __call__(self, z: Tensor, embedding: Tensor) -> Tensor:
        """The images, through the folded norms."""
        table = embedding @ self._of_embedding + self._constant
        if self._see_z:
            table = z @ self._of_z + table
        parts = table[:, :, None, None].split([*self._channels, *self._channels], 1)
        count = len(self._norms)
        with _replaced(self._norms, parts[:count], parts[count:]):
            return self._draw(z, embedding)


def folded(stock: Pass, z: Tensor, label: Tensor) -> Draw:
    """The `draw` of a pass through `FoldedNorms`; itself where it has none, or where they would change the images of
    these latents, z [n, K] and label int64 [n]."""
    if not stock.norms:
        return stock.draw
    with torch.no_grad():
        embedding = stock.embed(label)
        found = FoldedNorms(stock.draw, stock.norms, z[:1], embedding[:1])
        off = float((found(z, embedding) - stock.draw(z, embedding)).abs().max())
    return found if off <= AGREEMENT else stock.draw


def _conditions(draw: Draw, norms: Sequence[nn.Module], z: Tensor, embedding: Tensor) -> list[_Seen]:
    seen: list[_Seen] = []
    hooks = [
        norm.register_forward_pre_hook(
            lambda norm, given: seen.append(_Seen(norm, given[0].shape[1], given[1:-1], given[-1]))
        )
        for norm in norms
    ]
    try:
        draw(z, embedding)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _probed(seen: _Seen) -> tuple[Tensor, Tensor]:
    """A and B of a norm, in float64, [d + 1, C] each: a row for each number of its condition, then the constant."""
    norm = copy.deepcopy(seen.norm).double()
    width = seen.condition.shape[1]
    conditions = torch.cat([torch.eye(width), torch.zeros(1, width)]).to(seen.condition.device, torch.float64)
    zero = conditions.new_zeros(width + 1, seen.channels, 1, 1)
    shift = norm(zero, *seen.others, conditions).flatten(1)
    scale = norm(zero + 1, *seen.others, conditions).flatten(1) - shift
    for affine in (scale, shift):
        affine[:-1] -= affine[-1].clone()
    return scale, shift


@contextmanager
def _replaced(norms: Sequence[Any], scales: Sequence[Tensor], shifts: Sequence[Tensor]) -> Iterator[None]:
    """Inside, each norm scales its image and shifts it, whatever else it is given."""

    def affine(scale: Tensor, shift: Tensor) -> Callable[..., Tensor]:
        return lambda x, *others: x * scale + shift

    for norm, scale, shift in zip(norms, scales, shifts, strict=True):
        norm.forward = affine(scale, shift)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward
