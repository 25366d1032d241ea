"""What may change of an image while its content stays: a(x) of PAGAN (Alanov et al. 2018), section 3."""

from __future__ import annotations

from collections.abc import Callable

import torch
from polarprior.plugin import PolarPriorError, UsageError, made_by_the_user, named_by_the_user
from torch import Tensor

SHARE = 0.1
"""The share of a side that is padded: the paper's."""

Augmentation = Callable[[Tensor, torch.Generator], Tensor]


def shift(images: Tensor, noise: torch.Generator, share: float = SHARE) -> Tensor:
    """Pad by reflection, and crop to the same size at random: the paper's own.

    Args:
        images: [n, C, H, W].
        noise: draws the crops, one an image.
        share: of the side that is padded on each side, in whole pixels: 1 of 16, 3 of 32, 6 of 64.
    """
    height, width = images.shape[2:]
    pads = [max(1, int(share * side)) for side in (height, width)]
    padded = torch.nn.functional.pad(images, (pads[1], pads[1], pads[0], pads[0]), mode="reflect")
    rows, columns = (
        torch.randint(0, 2 * pad + 1, (len(images), 1), generator=noise).to(images.device)
        + torch.arange(side, device=images.device)
        for pad, side in zip(pads, (height, width), strict=True)
    )
    each = torch.arange(len(images), device=images.device)[:, None, None]
    return padded[each, :, rows[:, :, None], columns[:, None]].permute(0, 3, 1, 2)


def flip(images: Tensor, noise: torch.Generator) -> Tensor:
    """Mirror each image [n, C, H, W] with probability 1/2."""
    mirrored = (torch.rand(len(images), generator=noise) < 0.5).to(images.device)
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def contrast(images: Tensor, noise: torch.Generator) -> Tensor:
    """Scale each image [n, C, H, W] in [-1, 1] by 0.8 to 1.2 around its own mean, within [-1, 1]."""
    factor = (0.8 + 0.4 * torch.rand(len(images), 1, 1, 1, generator=noise)).to(images)
    mean = images.mean((1, 2, 3), keepdim=True)
    return (mean + factor * (images - mean)).clamp(-1, 1)


def none(images: Tensor, noise: torch.Generator) -> Tensor:
    """The images themselves: PAGAN-NOAUG."""
    return images


AUGMENTATIONS: dict[str, Augmentation] = {"shift": shift, "flip": flip, "contrast": contrast, "none": none}


def named(name: str) -> Augmentation:
    """One of `AUGMENTATIONS`, or the function that ``torch:MODULE:FUNCTION`` makes: it takes nothing, and returns one
    from images [n, C, H, W] in [-1, 1] and a torch.Generator to images of the same shape.

    Raises:
        UsageError: no such augmentation.
        PolarPriorError: the user's function failed, or only a file names it.
    """
    named_by_the_user("augment", name, lambda: AUGMENTATIONS)
    if name in AUGMENTATIONS:
        return AUGMENTATIONS[name]
    kind, _, source = name.partition(":")
    if kind != "torch":
        known = [*AUGMENTATIONS, "torch:MODULE:FUNCTION"]
        raise UsageError(f"augment: got {name!r}, expected one of {', '.join(known)}", "use augment=shift")
    made, _ = made_by_the_user("augment", source, "augment=shift", {})
    if not callable(made):
        raise UsageError(f"augment: {name} returned {type(made).__name__}, expected a function", "return one")

    def checked(images: Tensor, noise: torch.Generator) -> Tensor:
        found: Tensor = made(images, noise)
        if not isinstance(found, Tensor) or found.shape != images.shape:
            what = f"[{', '.join(map(str, found.shape))}]" if isinstance(found, Tensor) else type(found).__name__
            raise PolarPriorError(f"augment: {name} made {what} of {list(images.shape)}", "return the same shape")
        return found

    return checked
