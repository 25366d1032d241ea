"""What a generator's modes and anti-modes look like, and which real images they are nearest to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from polarprior.arguments import (
    LABEL,
    RHO,
    SEEDS,
    SEEDS_OF_A_DRAW,
    TILT,
    Domain,
    K,
    check_fields,
    flag,
    named_fields,
    path,
    whole,
)
from polarprior.bank.bank import Bank
from polarprior.errors import PolarPriorError, UsageError
from polarprior.generator import Generator
from polarprior.hashing import latent_hash
from polarprior.host import Host
from polarprior.images.pictures import as_image, captioned_grid, from_uint8, to_uint8
from polarprior.images.reference import Reference, open_reference
from polarprior.law.limits import floor_to
from polarprior.law.rows import labels_asked_for
from polarprior.metrics.nearest import nearest
from polarprior.samplers.contract import Weighted
from polarprior.saying import duration, say
from polarprior.strength import check_strength
from polarprior.sweeps.comparing import seconds_a_picture, shape_of

COMPARED = 32
"""Pixels a side at which images are compared, as in the polarity paper's Fig. 6; smaller ones as they are."""
EXTREMES = "the ends of this bank, further out than any law inside the limits draws"
HELD = ("brightness", "contrast")
MEANS = {
    "held": "what the limit of rho draws most often, with brightness and contrast held as the prior has them",
    "raw": EXTREMES,
}
LONG = 5.0
"""Seconds that are worth a word."""


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
        law: ``held`` or ``raw``, where both are shown; else empty.
    """

    title: str
    seeds: list[int]
    log_volumes: list[float]
    images: np.ndarray
    neighbours: Neighbours | None = None
    of_class: str = ""
    law: str = ""

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        found: dict[str, object] = {"title": self.title, "seeds": self.seeds, "log_volumes": self.log_volumes}
        if self.neighbours:
            found["nearest"] = self.neighbours.rows.tolist()
            found["distances"] = self.neighbours.distances.round(6).tolist()
        return found


@named_fields
@dataclass(frozen=True)
class ModesOptions:
    """The choice of the latents of a bank that are shown.

    Attributes:
        n: how many (a class).
        anti: the anti-modes, of highest log-volume.
        per_class: of each class of the bank.
        label: of this class alone.
        k: singular values in the log-volume; all of the bank's where None.
        rho: draw at this rho instead: what `seeds` become.
        tilt: or at this tilt, see `polarprior.law.tilt.rho_at`.
        seeds: stock seeds, with `rho`; 0 to n - 1 where None.
        force: beyond the limits of rho.
        reference: real images: the nearest are shown beside each.
        neighbours: nearest real images.
        raw: the bank's extremes alone, without those of a law that holds brightness and contrast.
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "n": whole(1, SEEDS, "use such as n=8"),
        "anti": flag(),
        "per_class": flag(),
        "label": LABEL.or_none(),
        "k": K.or_none(),
        "rho": RHO.or_none(),
        "tilt": TILT.or_none(),
        "seeds": SEEDS_OF_A_DRAW.or_none(),
        "force": flag(),
        "reference": path("name a folder, a zip, an idx file or an .npz").or_none(),
        "neighbours": whole(1, SEEDS, "use such as neighbours=5"),
        "raw": flag(),
    }

    n: int = 8
    anti: bool = False
    per_class: bool = False
    label: int | None = None
    k: int | None = None
    rho: float | None = None
    tilt: float | None = None
    seeds: Sequence[int] | None = None
    force: bool = False
    reference: str | Path | None = None
    neighbours: int = 5
    raw: bool = False

    def __post_init__(self) -> None:
        check_fields(self)

    def check(self) -> None:
        """Raise UsageError for options that don't go together."""
        drawn = self.rho is not None or self.tilt is not None
        if not drawn and (self.force or self.seeds):
            raise UsageError(f"{'force' if self.force else 'seeds'}: given without rho=RHO or tilt=T", "add tilt=-1")
        if drawn and (self.anti or self.per_class):
            name = "rho" if self.tilt is None else "tilt"
            raise UsageError(f"{'anti' if self.anti else 'per_class'}: given together with {name}", "leave one out")
        check_strength(self.rho, self.tilt)
        if self.per_class and self.label is not None:
            raise UsageError(f"label: got {self.label}, per_class=True shows every class", "leave one out")


@dataclass(frozen=True, eq=False)
class Modes:
    """What a bank's modes look like.

    Attributes:
        model: as the command line names it where it can.
        bank: with spectra.
        options: what was asked for.
        groups: pictures, a group a class.
        real: how many real images they were compared with; 0 where they were not.
    """

    model: str
    bank: Bank
    options: ModesOptions
    groups: list[Pictures]
    real: int = 0

    @property
    def title(self) -> str:
        """What is shown."""
        titles = {group.law: group.title for group in self.groups}
        if len(self.groups) == len(titles):
            return "\n".join(titles.values())
        said = [f"{law}: {MEANS[law]}" for law in titles if law] or [EXTREMES]
        return f"{'anti-modes' if self.options.anti else 'modes'}, a class a row\n" + "\n".join(said)

    def to_dict(self) -> dict[str, object]:
        """What ``modes.json`` holds."""
        groups = [group.to_dict() for group in self.groups]
        return {"model": self.model, **self.bank.stored(), "groups": groups}

    def picture(self) -> Image.Image:
        """All groups on one sheet, with a title."""
        info, k = self.bank.info, self.options.k
        about = (
            f"{self.model}: bank of {len(self.bank)} latents, k = {info.k if k is None else k}, space {info.space}"
        )
        sizes = f"nearest of {self.real} images of {self.options.reference}, l2 in pixels at 32 x 32 or less"
        return modes_picture(self.groups, f"{about}\n{self.title}" + (f"\n{sizes}" if self.real else ""))


def found_modes(host: Host, generator: Generator, bank: Bank, options: ModesOptions) -> Modes:
    """Look for modes; see `polarprior.modes`."""
    options.check()
    if options.per_class and bank.labels is None:
        raise UsageError("per_class: the bank has no classes", "leave it out")
    real = None if options.reference is None else open_reference(options.reference)
    near = None if real is None else NearestReal(real, *shape_of(generator), options.neighbours)
    if options.rho is not None or options.tilt is not None:
        groups = [_drawn(host, generator, bank, options, near)]
    else:
        labels = labels_asked_for(bank, None) if options.per_class else [options.label]
        asked = [replace(options, label=label) for label in labels]
        groups = [modes(generator, bank, each, near) for each in asked]
        held = [] if options.raw else [_held(host, generator, bank, each, near) for each in asked]
        if held and None not in held:
            pairs = zip(held, groups, strict=True)
            groups = [
                each
                for pair in pairs
                for each in (pair[0], replace(pair[1], law="raw", title=f"raw: {EXTREMES}"))
                if each is not None
            ]
    model = generator.model
    return Modes(model, bank, options, groups, 0 if real is None else len(real))


def modes(generator: Generator, bank: Bank, options: ModesOptions, reference: NearestReal | None = None) -> Pictures:
    """The latents of lowest (or highest) log-volume in the bank, of one class: where rho goes without limit.

    The law at such a rho lies beyond what any bank shows: these are the extremes of this one.

    Args:
        generator: the model of the bank.
        bank: with spectra.
        options: n, anti, label and k.
        reference: real images to be compared with.

    Raises:
        UsageError: n, the class or k out of range.
    """
    label = options.label
    end = bank.top(options.n, label=label, k=options.k, anti=options.anti)
    images = to_uint8(generator(generator.prior.draw(end.seeds, label)))
    of_class = _name_of(generator, label)
    title = f"{end.name}{', class ' if of_class else ''}{of_class}: {EXTREMES}"
    near = reference(images) if reference else None
    return Pictures(title, end.seeds, end.log_volumes, images, near, of_class)


def _held(
    host: Host, generator: Generator, bank: Bank, options: ModesOptions, reference: NearestReal | None
) -> Pictures | None:
    """What a law inside the limits draws most often, with brightness and contrast held: the rows of greatest weight
    at the limit of rho. None where nothing can be held, or no rho is supported."""
    label, k = options.label, options.k
    _say_cost(generator, bank, label)
    try:
        limits = host.latent_sampler(generator, bank, 0.0, label=label, k=k, hold=HELD).diagnostics.limits
        end = floor_to(limits.upper if options.anti else limits.lower)
        if not end or not np.isfinite(end):
            return None
        sampler = host.latent_sampler(generator, bank, end, label=label, k=k, hold=HELD)
    except PolarPriorError:
        return None
    if not isinstance(sampler, Weighted):
        return None
    rows, weights = sampler.weighted(bank.rows_of(label))
    picked = rows[np.argsort(-weights, kind="stable")[: options.n]]
    seeds = bank.seeds[picked].tolist()
    images = to_uint8(generator(generator.prior.draw(seeds, label)))
    of_class = _name_of(generator, label)
    title = f"held: what a rho of {end:g}, the limit, draws most often, with brightness and contrast held"
    near = reference(images) if reference else None
    return Pictures(title, seeds, bank.log_volume(k)[picked].tolist(), images, near, of_class, "held")


def _say_cost(generator: Generator, bank: Bank, label: int | None) -> None:
    """Say on stderr how long it takes to look at the bank's pictures, where that is long and they are not known."""
    rows = len(bank.rows_of(label))
    seconds = rows * seconds_a_picture(generator, label)
    if seconds > LONG:
        say(
            f"looking at the brightness and contrast of {rows:,} pictures: about {duration(seconds)} the first time",
            err=True,
        )


def _name_of(generator: Generator, label: int | None) -> str:
    return "" if label is None else generator.class_names[label] if generator.class_names else str(label)


def _drawn(
    host: Host, generator: Generator, bank: Bank, options: ModesOptions, reference: NearestReal | None
) -> Pictures:
    """What the seeds become at a rho or tilt, as `modes` shows them; the title says where it is beyond the limits."""
    label, k = options.label, options.k
    seeds = range(options.n) if options.seeds is None else options.seeds
    strength, force = options.rho or 0.0, options.force
    sampler = host.latent_sampler(generator, bank, strength, tilt=options.tilt, label=label, k=k, force=force)
    latents = sampler.sample(seeds, label)
    labels = np.zeros(len(latents), np.int64) if latents.label is None else latents.label.numpy()
    rows = bank.rows_by_hash(latent_hash(latents.z), labels)
    images = to_uint8(generator(latents))
    beyond = "" if sampler.diagnostics.within_limits else f", beyond the limits: {EXTREMES}"
    return Pictures(
        f"rho {sampler.diagnostics.rho:g}, k {sampler.diagnostics.k}{beyond}",
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
        """The nearest real images of pictures, uint8 [n, H, W, C]."""
        found = nearest(self._real, self._flat(images), min(self._count, len(self._real)))
        pictures = [self._reference.pixels(rows, self._channels, self._size) for rows in found.rows.tolist()]
        return Neighbours(found.rows.numpy(), found.distances.numpy(), np.stack(pictures))

    def _flat(self, images: np.ndarray) -> Tensor:
        """uint8 [n, H, W, C] to float32 [n, any], in [-1, 1], at the size that is compared."""
        small = np.stack([np.asarray(self._reduced(each)).reshape(*self._compared, -1) for each in images])
        return from_uint8(small).flatten(1)

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
                name = f"{group.law} {seed}".strip() if group.law else f"seed {seed}"
                captions.append((name, f"log-volume {value}\ndistance {distances[0]:.2f}"))
        else:
            heads = [str(rank + 1) for rank in range(min(columns, len(groups[0].images)))]
            for start in range(0, len(group.images), len(heads)):
                picked = slice(start, start + len(heads))
                blank = np.full((len(heads) - len(group.images[picked]), *group.images.shape[1:]), 255, np.uint8)
                rows.append(np.concatenate([group.images[picked], blank]))
                rank = f"{start + 1} to {start + len(group.images[picked])}"
                shown = group.log_volumes[picked]
                name = " ".join(filter(None, (group.of_class, group.law))) or rank
                captions.append((name, f"log-volume\n{min(shown):.1f} to {max(shown):.1f}"))
    marks = [np.zeros(len(row), bool) for row in rows]
    return captioned_grid(rows, captions, title, heads, marks)
