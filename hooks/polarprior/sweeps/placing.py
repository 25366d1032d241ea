"""Real images placed among a generator's latents by its encoder: their log-volumes, and how well they come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from polarprior.errors import PolarPriorError, UsageError
from polarprior.generator import Generator, Latents
from polarprior.images.pictures import captioned_grid, from_uint8, to_uint8
from polarprior.images.reference import Reference
from polarprior.sweeps.scores import BATCH, Ranking


@dataclass(frozen=True, eq=False)
class Placed:
    """One real image.

    Attributes:
        name: of its file, or its number.
        log_volume, quantile: of its latent, see `Ranking`.
        rmse: of its reconstruction, pixels of 0 to 255.
        agrees: whether a classifier gives both the same class; None where there is none.
        image, again: uint8 [H, W, C], the image and its reconstruction.
    """

    name: str
    log_volume: float
    quantile: float | None
    rmse: float
    agrees: bool | None
    image: np.ndarray
    again: np.ndarray


def encoder_of(generator: Generator) -> Callable[[Tensor], Tensor]:
    """Its encoder; UsageError where it has none."""
    if generator.encode is None:
        raise UsageError(
            f"model: {generator.plugin} has no encoder to place images with", "use seeds=0-99, or such as pagan"
        )
    return generator.encode


def reconstructed(generator: Generator, images: Tensor) -> tuple[Latents, np.ndarray]:
    """Encode images, and generate them again.

    Args:
        generator: that has an encoder.
        images: [n, C, H, W] in [-1, 1], on its device and of its dtype.

    Returns:
        The latents E(x), and the pictures G(E(x)), uint8 [n, H, W, C].

    Raises:
        UsageError: the generator has no encoder.
        PolarPriorError: its encoder makes latents that are not finite.
    """
    encode = encoder_of(generator)
    with torch.no_grad():
        encoded = encode(images)
        if not bool(encoded.isfinite().all()):
            raise PolarPriorError(
                f"model: the encoder of {generator.plugin} makes latents that are not finite", "use another model"
            )
        latents = Latents(encoded.reshape(-1, *generator.prior.shape))
        return latents, to_uint8(generator(latents))


def placed(
    generator: Generator,
    reference: Reference,
    count: int,
    rank: Ranking,
    shape: tuple[int, tuple[int, int]],
    logits: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[Placed]:
    """Place the first `count` images of `reference`, `BATCH` at a time.

    The log-volume is that of the latent z = E(x): it says what the generator does there, and is of the image as far
    as G(z) is. It is no density of the image.

    Args:
        generator: that has an encoder.
        reference: real images.
        count: how many of them.
        rank: of the generator's latents.
        shape: channels and (height, width) of the generator's pictures.
        logits: of a classifier, images [n, C, H, W] in [-1, 1] to [n, classes].

    Raises:
        UsageError, PolarPriorError: what `reconstructed` raises.
    """
    for start in range(0, count, BATCH):
        rows = list(range(start, min(start + BATCH, count)))
        pixels = reference.pixels(rows, *shape)
        images = from_uint8(pixels).to(generator.device, generator.dtype)
        latents, again = reconstructed(generator, images)
        with torch.no_grad():
            classes = (
                [logits(each.to(images)).argmax(1).cpu() for each in (images, from_uint8(again))] if logits else None
            )
        errors = np.sqrt(np.square(again.astype(np.float64) - pixels).mean((1, 2, 3)))
        for index, (row, found) in enumerate(zip(rows, rank(latents), strict=True)):
            agrees = None if classes is None else bool(classes[0][index] == classes[1][index])
            yield Placed(reference.name(row), *found, float(errors[index]), agrees, pixels[index], again[index])


def extremes_picture(images: Sequence[Placed], title: str, columns: int = 12) -> Image.Image:
    """Those of lowest, of middle and of highest log-volume, each row of images above their reconstructions."""
    ranked = sorted(images, key=lambda each: each.log_volume)
    columns = min(columns, len(ranked))
    middle = (len(ranked) - columns) // 2
    rows, captions = [], []
    for name, part in (
        ("modes", ranked[:columns]),
        ("middle", ranked[middle : middle + columns]),
        ("anti-modes", ranked[-columns:]),
    ):
        rows += [np.stack([getattr(each, which) for each in part]) for which in ("image", "again")]
        volumes = f"l {part[0].log_volume:.1f} to {part[-1].log_volume:.1f}"
        captions += [(name, volumes), ("", "G(E(x))")]
    return captioned_grid(rows, captions, title, [""] * columns, [np.zeros(columns, bool) for _ in rows])
