"""A ground metric of images, in the features of a space: each image is the set of its places in the map that these
are pooled from, reduced by PCA and clustered; or one point where the space has no map.

What is learnt on places holds for their means as well, for both the reduction and L are linear.
"""

from __future__ import annotations

import numpy as np
import torch
from polarprior.plugin import FeatureMap, UsageError
from polarprior_training.augmentations import contrast, flip, shift
from torch import Tensor
from tqdm import tqdm

from polarprior_ground_metric.images import clustered, reduction
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.metric_file import MetricFile
from polarprior_ground_metric.signatures import Signatures

BATCH = 16
FOR_REDUCTION = 200
"""Images, evenly spaced, that the reduction is taken of."""
NEIGHBOURS = 3
"""Neighbours that vote."""


def learnt(
    phi: FeatureMap,
    images: Tensor,
    labels: np.ndarray,
    *,
    new_classes: bool,
    device: torch.device | str = "cpu",
    components: int = 16,
    clusters: int = 8,
    seed: int = 0,
    progress: bool = False,
) -> MetricFile:
    """A metric in which images of a class are near each other.

    Args:
        phi: the map to the space.
        images: [n, C, H, W] in [-1, 1].
        labels: the class of each, [n].
        new_classes: whether these classes are examples of others, see `MultiLevelMetric`.
        device: where the space is.
        components: d, that PCA leaves of D features.
        clusters: points of an image.
        seed: of clusters and of what is held out.
        progress: show bars.

    Raises:
        UsageError: fewer images or features than components, and what `MultiLevelMetric.fit` raises.
    """
    few = _places(phi, images[:: max(1, len(images) // FOR_REDUCTION)], device).flatten(0, 1)
    if components > min(few.shape):
        most = min(few.shape)
        raise UsageError(f"components: got {components}, expected {most} or less", f"use components={most}")
    to_few = reduction(few, components)
    places = _places(phi, images, device, to_few, progress)
    one = places.shape[1] == 1
    signatures = Signatures.of(places) if one else clustered(list(tqdm(places, disable=not progress)), clusters, seed)
    metric = MultiLevelMetric(NEIGHBOURS, new_classes=new_classes, seed=seed, progress=progress)
    return MetricFile(metric.fit(signatures, labels), phi.space, to_few)


def with_copies(images: Tensor, count: int, noise: torch.Generator) -> tuple[Tensor, np.ndarray]:
    """Each image [n, C, H, W] in [-1, 1], followed by count - 1 copies, mirrored or not, shifted, and with another
    contrast; and the number of the image that each is of, [n * count]."""
    each = images.repeat_interleave(count, 0)
    changed = contrast(shift(flip(each, noise), noise), noise)
    changed[::count] = images
    return changed, np.arange(len(images)).repeat(count)


@torch.no_grad()
def _places(
    phi: FeatureMap, images: Tensor, device: torch.device | str, to_few: Tensor | None = None, progress: bool = False
) -> Tensor:
    """Features at the places of each image, [n, m, D], or [n, m, d] after `to_few`; m = 1 without a map."""
    found = []
    for batch in tqdm(images.split(BATCH), desc="features", disable=not progress):
        here = batch.to(device)
        points = (phi(here)[:, None] if phi.places is None else phi.places(here).flatten(2).mT).cpu()
        found.append(points if to_few is None else points @ to_few.T)
    return torch.cat(found)
