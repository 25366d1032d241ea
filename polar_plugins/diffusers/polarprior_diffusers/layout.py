"""Finds how a pipeline lays out numbers: what it draws as what it takes, its last latents as what it decodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

DIGITS = 32
"""Numbers that are told apart whatever a pipeline multiplies them by, also in bfloat16."""


class Layout(NamedTuple):
    """Numbers of one shape as those of another: moved, then scaled and shifted.

    Attributes:
        places: where each number comes from, int64, of the later shape; None where they are not moved.
        scale, shift: of each number, or of all of them.
    """

    places: Tensor | None
    scale: Tensor | float = 1.0
    shift: Tensor | float = 0.0

    def __call__(self, x: Tensor) -> Tensor:
        """Numbers [n, *earlier shape] to [n, *later shape]."""
        if self.places is not None:
            x = x.flatten(1)[:, self.places.to(x.device).flatten()].reshape(len(x), *self.places.shape)
        if isinstance(self.scale, float) and isinstance(self.shift, float):
            return x if (self.scale, self.shift) == (1.0, 0.0) else x * self.scale + self.shift
        return x * torch.as_tensor(self.scale).to(x) + torch.as_tensor(self.shift).to(x)


def places_of(move: Callable[[Tensor], Tensor], shape: torch.Size) -> Tensor:
    """Where each number of move(x) comes from, of x [1, *shape]: int64 of the later shape.

    Args:
        move: moves the numbers of x, and may scale and shift all of them alike, up or down.
        shape: of a row of x.

    Raises:
        ValueError: it does something else.
    """
    index = torch.arange(shape.numel())
    places, place = None, 1
    while place < shape.numel() or places is None:
        # One digit of where each number is; the ends of the range are there to see what became of them.
        digit = (index // place) % DIGITS
        moved = move(digit.reshape(1, *shape).float())[0].double()
        low, high = moved.min(), moved.max()
        top = int(digit.max())
        found = (moved - low) / (high - low) * top if top else torch.zeros_like(moved)
        if not (found - found.round()).abs().max() < 0.25:
            raise ValueError("it does more than move numbers")
        places = found.round().long() * place + (0 if places is None else places)
        place *= DIGITS
    if not torch.equal(places.flatten().sort().values, index):
        raise ValueError("it does more than move numbers")
    return places


def affine(pairs: list[tuple[Tensor, Tensor]], places: Tensor | None) -> Layout:
    """The layout that takes the first tensor of each of three pairs [1, ...] to the second.

    Raises:
        ValueError: none does.
    """
    moved = [(Layout(places)(before.double()), after.double()) for before, after in pairs]
    (one, other), (this, that) = zip(*moved[:2], strict=True)
    scale = (this - that) / (one - other)
    found = Layout(places, scale[0], (this - scale * one)[0])
    after = moved[2][1]
    if not (found(pairs[2][0].double()) - after).norm() < 1e-4 * after.norm():
        raise ValueError("its numbers are not scaled and shifted one by one")
    return found
