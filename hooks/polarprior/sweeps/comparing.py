"""What draws are compared with: real images, or the model's own pictures, in one space of features or several."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from polarprior.arguments import SEEDS, Domain, check_fields, named_fields, path, several, text, whole
from polarprior.bank.bank import Bank
from polarprior.errors import PolarPriorError, UsageError
from polarprior.generator import Generator
from polarprior.host import Host
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.images.reference import BATCH, Reference, open_reference
from polarprior.jacobian.feature_map import FeatureMap
from polarprior.metrics.judge import PATHS, SCORE, Judge, check_metrics
from polarprior.samplers.contract import SAMPLERS, SamplerOptions
from polarprior.saying import duration, say

SPACE = "perceptual:efficientnet-lite0"
OWN = "prior"
"""In place of real images: pictures of the model's own prior, where there are no real ones."""
TIMED = 16
"""Pictures that are timed, to say what many will cost."""
OWN_SEEDS = 1 << 31
"""The first seed of these: far from those of a bank."""


@named_fields
@dataclass(frozen=True)
class Comparison:
    """How draws are compared.

    Attributes:
        reference: real images: a folder, a zip, an idx file or an .npz; or ``prior``, the model's own pictures.
        metrics: some of fid, kid, pr (precision and recall), dc (density and coverage), transport (a debiased
            Wasserstein distance), is (the Inception score, of the classifier ``SPACE-logits``), ppl (perceptual path
            length between draws) and ppl-w (between their styles).
        metric_space: the spaces where images are compared; a search aims at the first.
        samples: draws a set.
        sets: sets of draws, each from a part of the bank of its own, for error bars.
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "reference": path("name a folder, a zip, an idx file or an .npz, or reference='prior'"),
        "metrics": several(text(), 1, "use such as metrics=('fid',)"),
        "metric_space": several(text(), 1, "use such as metric_space=('perceptual:inception',)"),
        "samples": whole(1, SEEDS, "use such as samples=1000"),
        "sets": whole(1, SEEDS, "use such as sets=3"),
    }

    reference: str | Path
    metrics: tuple[str, ...] = ("fid", "pr")
    metric_space: tuple[str, ...] = (SPACE,)
    samples: int = 1000
    sets: int = 3

    def __post_init__(self) -> None:
        check_fields(self)

    def opened(self) -> Reference | None:
        """The real images; None for the model's own pictures."""
        return None if str(self.reference) == OWN else open_reference(self.reference)

    def most_pictures(self, bank: Bank, sampler: SamplerOptions, rows: int) -> int:
        """How many pictures of a bank's model so many rows of draws need at most: a latent is looked at once, and
        the host's own sampler has no more of them than the bank."""
        draws = rows * self.sets * self.samples
        return min(draws, len(bank.rows_of(sampler.label))) if sampler.sampler == SAMPLERS[0] else draws

    def of_reference(self, real: Reference | None) -> int:
        """How many images draws are compared with: of the model's own as many as are drawn."""
        return self.samples * self.sets if real is None else len(real)

    def check(self) -> None:
        """Raise UsageError for a metric that there is not, or too few or too many samples."""
        check_metrics(self.metrics)
        for name, value, least in (("samples", self.samples, 10), ("sets", self.sets, 1)):
            if value < least:
                raise UsageError(f"{name}: got {value}, expected {least} or more", f"use {name}={least * 100}")
        if self.sets * self.samples > OWN_SEEDS:
            raise UsageError(
                f"samples: got {self.samples} in {self.sets} sets, more than there are seeds", "ask for fewer"
            )


class Spaces(NamedTuple):
    """Where images are compared: the maps to those spaces, and the logits of the classifiers that metrics need."""

    maps: dict[str, FeatureMap]
    logits: dict[str, FeatureMap]


def spaces_of(host: Host, generator: Generator, comparison: Comparison) -> Spaces:
    """The spaces of a comparison; UsageError where there is no such metric or space, or too few samples."""
    comparison.check()
    if generator.styles is None and any(PATHS.get(name) for name in comparison.metrics):
        raise UsageError(f"metrics: got ppl-w, and {generator.called} has no styles", "use ppl")
    try:
        maps = {space: host.feature_map(generator, space) for space in comparison.metric_space}
        scored = comparison.metric_space if SCORE in comparison.metrics else ()
        return Spaces(maps, {space: host.feature_map(generator, f"{space}-logits") for space in scored})
    except PolarPriorError as error:  # it speaks of where volume is measured
        error.message = re.sub("^space: ", "metric_space: ", error.message)
        error.hint = error.hint.replace("use space=", "use metric_space=")
        raise


def judge_of(
    generator: Generator, comparison: Comparison, spaces: Spaces, real: Reference | None, label: int | None
) -> Judge:
    """The Judge of a generator's draws.

    Args:
        generator: whose draws are compared.
        comparison: how.
        spaces: where.
        real: real images; the model's own pictures where None, as many as are drawn, at the settings of `generator`.
        label: the class of these.

    Raises:
        UsageError: too few images.
    """
    count = comparison.of_reference(real)

    def batches() -> Iterator[Tensor]:
        shape = shape_of(generator)
        found = own_pictures(generator, count, label) if real is None else real.batches(*shape)
        with tqdm(total=count, unit="image", desc="reference") as bar:
            for images in found:
                yield images
                bar.update(len(images))

    return Judge(comparison.metrics, spaces.maps, batches(), spaces.logits, generator.device)


def own_pictures(generator: Generator, count: int, label: int | None) -> Iterator[Tensor]:
    """Pictures [n, C, H, W] in [-1, 1] of the model's own prior, of seeds from `OWN_SEEDS` on, rounded to 8 bits."""
    for start in range(0, count, BATCH):
        seeds = range(OWN_SEEDS + start, OWN_SEEDS + min(start + BATCH, count))
        yield from_uint8(to_uint8(generator(generator.prior.draw(seeds, label))))


def say_cost(
    generator: Generator,
    comparison: Comparison,
    spaces: Spaces,
    real: Reference | None,
    label: int | None,
    drawn: int,
    what: str,
) -> None:
    """Say on stderr how long it takes to draw so many pictures, which are for `what`, and to compare them."""
    count = comparison.of_reference(real)
    pictures = drawn + count
    seconds = pictures * seconds_a_picture(generator, label, (*spaces.maps.values(), *spaces.logits.values()))
    say(
        f"{what}, {comparison.sets} sets of {comparison.samples:,} draws each, and {count:,} images to compare with: "
        f"{pictures:,} pictures at most, about {duration(seconds)}",
        err=True,
    )


@torch.no_grad()
def seconds_a_picture(generator: Generator, label: int | None, maps: Iterable[FeatureMap] = ()) -> float:
    """Draw some pictures twice and take their features, the second time by the clock: seconds of one."""
    maps, latents = list(maps), generator.prior.draw(range(TIMED), label)
    for _ in range(2):
        began = time.perf_counter()
        images = generator(latents)
        for phi in maps:
            phi(images)
    return (time.perf_counter() - began) / len(latents)


def shape_of(generator: Generator) -> tuple[int, tuple[int, int]]:
    """Channels and (height, width) of a generator's pictures; UsageError where they are none."""
    label = None if generator.num_classes is None else 0
    height, width, channels = to_uint8(generator(generator.prior.draw([0], label))).shape[1:]
    return channels, (height, width)
