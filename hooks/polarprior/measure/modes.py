"""What a generator's modes and anti-modes look like, and which real images they are nearest to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from polarprior.bank.bank import Bank
from polarprior.bank.extremes import extremes
from polarprior.generator import Generator
from polarprior.hashing import latent_hash
from polarprior.host import default_host
from polarprior.measure.figures import as_image, captioned_grid, to_uint8
from polarprior.measure.metrics.nearest import nearest
from polarprior.measure.reference import Reference, scaled

COMPARED = 32
"""Pixels a side at which images are compared, as in the polarity paper's Fig. 6; smaller ones as they are."""
EXTREMES = "the bank's extremes, not the law"


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest real images of some pictures.

    Attributes:
        rows: int64 [n, m], of the reference.
        distances: float64 [n, m], Euclidean, of pixels in [-1, 1] at `COMPARED`.
        images: uint8 [n, m, H, W, C].
    """

    rows: np.ndarray
    distances: np.ndarray
    images: np.ndarray


@dataclass(frozen=True, eq=False)
class Pictures:
    """Latents of a bank with their pictures.

    Attributes:
        title: what they are.
        seeds: of each.
        log_volumes: of each, nats.
        images: uint8 [n, H, W, C].
        neighbours: where there is a reference.
        of_class: the one class of all of them, by name or number; empty where they have none.
    """

    title: str
    seeds: list[int]
    log_volumes: list[float]
    images: np.ndarray
    neighbours: Neighbours | None = None
    of_class: str = ""

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        found: dict[str, object] = {"title": self.title, "seeds": self.seeds, "log_volumes": self.log_volumes}
        if self.neighbours:
            found["nearest"] = self.neighbours.rows.tolist()
            found["distances"] = self.neighbours.distances.round(6).tolist()
        return found


def modes(
    generator: Generator,
    bank: Bank,
    n: int = 8,
    *,
    anti: bool = False,
    label: int | None = None,
    k: int | None = None,
    reference: NearestReal | None = None,
) -> Pictures:
    """The n latents of lowest (or, with `anti`, of highest) log-volume in the bank: where rho goes without limit.

    The law at such a rho lies beyond what any bank shows: these are the extremes of this one.

    Args:
        generator: the model of the bank.
        bank: with spectra.
        n: how many.
        anti: the other end.
        label: of this class.
        k: singular values in the log-volume; all where None.
        reference: real images to be compared with.

    Raises:
        UsageError: n, the class or k out of range.
    """
    end = extremes(bank, n, label, k)[anti]
    images = to_uint8(generator(generator.prior.draw(end.seeds, label)))
    of_class = "" if label is None else generator.class_names[label] if generator.class_names else str(label)
    title = f"{end.name}{', class ' if of_class else ''}{of_class}: {EXTREMES}"
    near = reference(images) if reference else None
    return Pictures(title, end.seeds, end.log_volumes, images, near, of_class)


def drawn(
    generator: Generator,
    bank: Bank,
    seeds: Sequence[int],
    rho: float,
    *,
    label: int | None = None,
    k: int | None = None,
    force: bool = False,
    reference: NearestReal | None = None,
) -> Pictures:
    """What `seeds` become at rho, as `modes` shows them. Beyond the limits only with `force`; the title says so."""
    sampler = default_host().latent_sampler(generator, bank, rho, label=label, k=k, force=force)
    latents = sampler.sample(seeds, label)
    labels = np.zeros(len(latents), np.int64) if latents.label is None else latents.label.numpy()
    rows = bank.rows_by_hash(latent_hash(latents.z), labels)
    images = to_uint8(generator(latents))
    beyond = "" if sampler.diagnostics.within_limits else f", beyond the limits: {EXTREMES}"
    return Pictures(
        f"rho {rho:g}, k {sampler.diagnostics.k}{beyond}",
        bank.seeds[rows].tolist(),
        bank.log_volume(k)[rows].tolist(),
        images,
        reference(images) if reference else None,
    )


class NearestReal:
    """Finds the real images nearest to pictures.

    Args:
        reference: real images.
        channels, size: of the generator's pictures.
        count: how many of them.
    """

    def __init__(self, reference: Reference, channels: int, size: tuple[int, int], count: int = 5):
        self._reference, self._channels, self._size, self._count = reference, channels, size, count
        longest = max(*size, COMPARED)
        self._compared = (max(1, size[0] * COMPARED // longest), max(1, size[1] * COMPARED // longest))
        self._real = torch.cat([self._flat(batch) for batch in reference.pixel_batches(channels, size)])

    def __call__(self, images: np.ndarray) -> Neighbours:
        """Of uint8 [n, H, W, C]."""
        found = nearest(self._real, self._flat(images), min(self._count, len(self._real)))
        pictures = [self._reference.pixels(rows, self._channels, self._size) for rows in found.rows.tolist()]
        return Neighbours(found.rows.numpy(), found.distances.numpy(), np.stack(pictures))

    def _flat(self, images: np.ndarray) -> Tensor:
        """uint8 [n, H, W, C] to float32 [n, any], in [-1, 1], at the size that is compared."""
        small = np.stack([np.asarray(self._reduced(each)).reshape(*self._compared, -1) for each in images])
        return scaled(small).flatten(1)

    def _reduced(self, pixels: np.ndarray) -> Image.Image:
        image = as_image(pixels)
        height, width = self._compared
        return image if image.size == (width, height) else image.resize((width, height), Image.Resampling.BICUBIC)


def modes_picture(groups: Sequence[Pictures], title: str, columns: int = 8) -> Image.Image:
    """Each picture with its nearest real images in a row, or, where there is no reference, `columns` a row."""
    rows, captions, heads = [], [], []
    for group in groups:
        values = [f"{value:.1f}" for value in group.log_volumes]
        if group.neighbours:
            heads = ["drawn", *[f"nearest {rank + 1}" for rank in range(group.neighbours.images.shape[1])]]
            for image, near, distances, seed, value in zip(
                group.images, group.neighbours.images, group.neighbours.distances, group.seeds, values, strict=True
            ):
                rows.append(np.concatenate([image[None], near]))
                captions.append((f"seed {seed}", f"l {value}\ndistance {distances[0]:.2f}"))
        else:
            heads = [str(rank + 1) for rank in range(min(columns, len(groups[0].images)))]
            for start in range(0, len(group.images), len(heads)):
                picked = slice(start, start + len(heads))
                blank = np.full((len(heads) - len(group.images[picked]), *group.images.shape[1:]), 255, np.uint8)
                rows.append(np.concatenate([group.images[picked], blank]))
                rank = f"{start + 1} to {start + len(group.images[picked])}"
                captions.append((group.of_class or rank, f"l {values[start]} on"))
    marks = [np.zeros(len(row), bool) for row in rows]
    return captioned_grid(rows, captions, title, heads, marks)
