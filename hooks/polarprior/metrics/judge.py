"""Draws of a generator against real images: features once a latent, then the metrics that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from polarprior.errors import UsageError, nearest
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.jacobian.feature_map import FeatureMap
from polarprior.metrics.frechet import Moments, frechet_distance
from polarprior.metrics.inception_score import inception_score
from polarprior.metrics.kernel import kernel_distance
from polarprior.metrics.manifold import fidelity
from polarprior.metrics.path_length import path_lengths
from polarprior.metrics.transport import transport_distance

BATCH = 64
FEWEST = 20
"""Real images: those of both halves."""


@dataclass(frozen=True, eq=False)
class Real:
    """Features of real images [n, D], and their moments."""

    features: Tensor
    moments: Moments

    @classmethod
    def of(cls, features: Tensor) -> Real:
        """With the moments."""
        return cls(features, Moments.of(features))


Metric = Callable[[Real, Tensor], dict[str, float]]


def _fid(real: Real, generated: Tensor) -> dict[str, float]:
    return {"fid": frechet_distance(real.moments, generated)}


def _kid(real: Real, generated: Tensor) -> dict[str, float]:
    return {"kid": kernel_distance(real.features, generated)}


def _precision_recall(real: Real, generated: Tensor) -> dict[str, float]:
    found = fidelity(real.features, generated)
    return {"precision": found.precision, "recall": found.recall}


def _density_coverage(real: Real, generated: Tensor) -> dict[str, float]:
    found = fidelity(real.features, generated, neighbours=5)
    return {"density": found.density, "coverage": found.coverage}


def _transport(real: Real, generated: Tensor) -> dict[str, float]:
    return {"transport": transport_distance(real.features, generated)}


METRICS: dict[str, Metric] = {
    "fid": _fid,
    "kid": _kid,
    "pr": _precision_recall,
    "dc": _density_coverage,
    "transport": _transport,
}
"""By their names on the command line. `is` is of the classifier ``SPACE-logits``, and needs no real images."""
SCORE, SCORE_NAME = "is", "inception score"
PATHS = {"ppl": False, "ppl-w": True}
"""Perceptual path lengths, of latents and of styles: they need no real images either."""


def check_metrics(names: Sequence[str]) -> None:
    """Raise UsageError for a name that is none of the metrics."""
    known = [*METRICS, SCORE, *PATHS]
    for name in names:
        if name not in known:
            raise UsageError(
                f"metrics: got {name!r}, expected some of {','.join(known)}", f"use {nearest(name, known)}"
            )


class Judge:
    """Metrics of draws, in one space or several.

    Args:
        metrics: names of `METRICS`, ``is``, ``ppl`` or ``ppl-w``.
        spaces: the maps that features are taken by, by name.
        logits: of the classifier of each space; needed for ``is``.
        real: batches of images [n, C, H, W] in [-1, 1], which are read once.
        device: where the maps work.

    Attributes:
        real: by space.
        count: of the real images.

    Raises:
        UsageError: no such metric, or too few images.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        spaces: dict[str, FeatureMap],
        real: Iterable[Tensor],
        logits: dict[str, FeatureMap] | None = None,
        device: torch.device | None = None,
    ):
        check_metrics(metrics)
        self._metrics = tuple(metrics)
        self._spaces = spaces
        self._logits = (logits or {}) if SCORE in metrics else {}
        self._device = device or torch.device("cpu")
        self._known: dict[tuple[object, ...], dict[str, Tensor]] = {}
        batches: dict[str, list[Tensor]] = {name: [] for name in spaces}
        for images in real:
            for name, phi in spaces.items():
                batches[name].append(self._taken(phi, images))
        self.real = {name: Real.of(torch.cat(each)) for name, each in batches.items()}
        self.count = len(next(iter(self.real.values())).features)
        if self.count < FEWEST:
            raise UsageError(f"reference: got {self.count} images, expected {FEWEST} or more", "name more of them")

    def __call__(self, generator: Generator, latents: Latents) -> dict[str, dict[str, float]]:
        """Metrics of the images of `latents`, by space and name; images are rounded to 8 bits, as they are saved."""
        features = self.features(generator, latents)
        return {
            space: {**self._values(space, features), **self._paths(generator, latents, phi)}
            for space, phi in self._spaces.items()
        }

    @cached_property
    def halves(self) -> dict[str, dict[str, float]]:
        """Metrics of every other real image against the rest: with as many images, what no generator should beat."""
        found = {}
        for space, real in self.real.items():
            half = Real.of(real.features[::2])
            found[space] = self._compared(half, real.features[1::2])
        return found

    def features(self, generator: Generator, latents: Latents) -> dict[str, Tensor]:
        """Features [n, D] of `latents` by space (and ``SPACE-logits``); each latent is drawn once in a lifetime."""
        labels = [None] * len(latents) if latents.label is None else latents.label.tolist()
        hashes = latent_hash(latents.z).tolist()
        about = (generator.fingerprint, generator.settings)
        keys = [(about, key, label) for key, label in zip(hashes, labels, strict=True)]
        missing = {key: row for row, key in enumerate(keys) if key not in self._known}
        rows = torch.tensor(list(missing.values()), dtype=torch.int64)
        maps = {**self._spaces, **{f"{name}-logits": phi for name, phi in self._logits.items()}}
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            images = from_uint8(to_uint8(generator(latents[batch])))
            found = {name: self._taken(phi, images) for name, phi in maps.items()}
            for place, row in enumerate(batch.tolist()):
                self._known[keys[row]] = {name: each[place] for name, each in found.items()}
        return {name: torch.stack([self._known[key][name] for key in keys]) for name in maps}

    def _values(self, space: str, features: dict[str, Tensor]) -> dict[str, float]:
        values = self._compared(self.real[space], features[space])
        if space in self._logits:
            values[SCORE_NAME] = inception_score(features[f"{space}-logits"])
        return values

    def _compared(self, real: Real, generated: Tensor) -> dict[str, float]:
        values: dict[str, float] = {}
        for name in self._metrics:
            if name in METRICS:
                values |= METRICS[name](real, generated)
        return values

    def _paths(self, generator: Generator, latents: Latents, phi: FeatureMap) -> dict[str, float]:
        """Mean perceptual path lengths between the first half of the latents and the second."""
        half, found = len(latents) // 2, {}
        for name in (each for each in self._metrics if each in PATHS):
            stream, total = torch.Generator().manual_seed(0), 0.0
            first, second = latents[:half], latents[half : 2 * half]
            for rows in (slice(start, start + BATCH) for start in range(0, half, BATCH)):
                lengths = path_lengths(generator, phi, (first[rows], second[rows]), stream, styles=PATHS[name])
                total += float(lengths.sum())
            found[name] = total / half
        return found

    def _taken(self, phi: FeatureMap, images: Tensor) -> Tensor:
        with torch.no_grad():
            return phi(images.to(self._device)).float().cpu()
