"""Metrics of a model as it is, without a bank: of its draws, and of its reconstructions where it has an encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from polarprior.errors import PolarPriorError
from polarprior.generator import Generator
from polarprior.host import Host
from polarprior.images.pictures import from_uint8
from polarprior.images.reference import Reference
from polarprior.jacobian.feature_map import FeatureMap
from polarprior.metrics.inception_score import SPLITS, inception_scores
from polarprior.metrics.judge import SCORE, SCORE_NAME
from polarprior.metrics.reconstruction import PARTS, reconstruction_dissimilarity
from polarprior.sweeps.comparing import Comparison, judge_of, shape_of, spaces_of
from polarprior.sweeps.measuring import Spread
from polarprior.sweeps.placing import reconstructed


class Figure(NamedTuple):
    """A metric, and how much it differs between parts of what it was taken of.

    Attributes:
        value: the mean over the parts.
        deviation: the standard deviation over them: sets of draws; ten splits of all draws for the Inception score,
            ten parts of the images for RID. None where there is one part.
    """

    value: float
    deviation: float | None = None


Figures = dict[str, dict[str, Figure]]
"""By space and metric."""


def measured_model(host: Host, generator: Generator, comparison: Comparison, label: int | None) -> Figures:
    """Metrics of the stock seeds 0, 1, ... of a model, and of the reconstructions G(E(x)) of the real images x.

    Args:
        host: that knows the spaces.
        generator: the model; of an encoder's reconstructions there are rmse (pixels of 0 to 255) and, in a space with
            a classifier, rid and agreement.
        comparison: real images, metrics, spaces, and how many draws.
        label: the class of the draws.

    Raises:
        UsageError: no such metric or space, too few images, or images of another shape.
        PolarPriorError: the encoder makes latents that are not finite.
    """
    spaces, real = spaces_of(host, generator, comparison), comparison.opened()
    judge = judge_of(generator, comparison, spaces, real, label)
    sets = [
        generator.prior.draw(range(first, first + comparison.samples), label)
        for first in range(0, comparison.sets * comparison.samples, comparison.samples)
    ]
    rows = [judge(generator, latents) for latents in tqdm(sets, "draws", unit="set")]
    found = {space: {name: _over([row[space][name] for row in rows]) for name in rows[0][space]} for space in rows[0]}
    if SCORE in comparison.metrics:
        for space in spaces.logits:
            logits = torch.cat([judge.features(generator, latents)[f"{space}-logits"] for latents in sets])
            found[space][SCORE_NAME] = _over(inception_scores(logits, min(SPLITS, len(logits))))
    if generator.encode is None or real is None:
        return found
    for space, figures in _of_reconstructions(host, generator, comparison, real).items():
        found[space] |= figures
    return found


def to_dict(found: Figures) -> dict[str, Any]:
    """For JSON."""
    return {space: {name: figure._asdict() for name, figure in figures.items()} for space, figures in found.items()}


def _over(values: list[float]) -> Figure:
    found = Spread(tuple(values))
    return Figure(found.mean, found.std if len(values) > 1 else None)


def _of_reconstructions(host: Host, generator: Generator, comparison: Comparison, real: Reference) -> Figures:
    classifiers = {
        space: logits
        for space in comparison.metric_space
        if (logits := _logits(host, generator, space)) is not None and len(real) >= PARTS
    }
    errors: list[np.ndarray] = []
    before: dict[str, list[Tensor]] = {space: [] for space in classifiers}
    after: dict[str, list[Tensor]] = {space: [] for space in classifiers}
    with torch.no_grad():
        for pixels, again in _reconstructed(generator, real):
            errors.append(np.square(again.astype(np.float64) - pixels).mean((1, 2, 3)))
            for space, logits in classifiers.items():
                for kept, images in ((before, pixels), (after, again)):
                    kept[space].append(logits(from_uint8(images).to(generator.device)).float().cpu())
    rmse = Figure(float(np.sqrt(np.concatenate(errors).mean())))
    found: Figures = {space: {"rmse": rmse} for space in comparison.metric_space}
    for space in classifiers:
        of_content = reconstruction_dissimilarity(torch.cat(before[space]), torch.cat(after[space]))
        found[space] |= {
            "rid": Figure(of_content.dissimilarity, of_content.deviation),
            "agreement": Figure(of_content.agreement),
        }
    return found


def _logits(host: Host, generator: Generator, space: str) -> FeatureMap | None:
    """The classifier of a space; None where it has none."""
    try:
        return host.feature_map(generator, f"{space}-logits")
    except PolarPriorError:
        return None


def _reconstructed(generator: Generator, real: Reference) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images and their reconstructions, uint8 [n, H, W, C] each."""
    with tqdm(total=len(real), unit="image", desc="reconstructions") as bar:
        for pixels in real.pixel_batches(*shape_of(generator)):
            yield pixels, reconstructed(generator, from_uint8(pixels).to(generator.device, generator.dtype))[1]
            bar.update(len(pixels))
