"""Signatures of images and videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from polarprior.plugin import PolarPriorError, UsageError
from torch import Tensor

from polarprior_ground_metric.levels import upright
from polarprior_ground_metric.signatures import Signatures


def ink_patches(images: Tensor | np.ndarray, size: int = 3, most: int = 12, position: float = 1.0) -> Signatures:
    """Describe each grey image by its patches with most ink, with their places, weighted by their ink.

    Args:
        images: [n, H, W], 0 for paper, 1 for ink.
        size: pixels a side of a patch.
        most: patches an image.
        position: weight of the coordinates, which go from -1 to 1, beside the pixels.

    Raises:
        UsageError: an image without ink, or smaller than a patch.
    """
    pixels = torch.as_tensor(images).float()
    if min(size, most) < 1:
        raise UsageError(f"size, most: got {size}, {most}, expected 1 or more", "leave them out for 3 and 12")
    if pixels.ndim != 3 or min(pixels.shape[1:]) < size:
        raise UsageError(
            f"images: got {list(pixels.shape)}, expected [n, {size} or more, {size} or more]", "use grey ones"
        )
    if not bool(pixels.isfinite().all()):
        raise UsageError("images: some pixels are not finite", "look at what made them")
    n, height, width = pixels.shape
    patches = torch.nn.functional.unfold(pixels[:, None], size).mT
    rows, columns = torch.meshgrid(
        torch.linspace(-1, 1, height - size + 1), torch.linspace(-1, 1, width - size + 1), indexing="ij"
    )
    places = position * torch.stack([rows, columns], 2).reshape(1, -1, 2).expand(n, -1, -1)
    points, ink = torch.cat([patches, places], 2), patches.sum(2).clamp(min=0)
    chosen = ink.topk(min(most, ink.shape[1]), sorted=True).indices
    weights = ink.gather(1, chosen)
    if not bool((weights.sum(1) > 0).all()):
        raise UsageError("images: some have no ink at all", "leave those out")
    picked = points.gather(1, chosen[:, :, None].expand(-1, -1, points.shape[2]))
    return Signatures(picked, weights / weights.sum(1, keepdim=True))


def of_maps(maps: Tensor, energy: bool = False) -> Signatures:
    """Describe each image by the places of a network's map.

    Args:
        maps: [n, C, H, W].
        energy: weigh a place by the sum of its features, which are to be 0 or more; else all weigh the same.

    Raises:
        UsageError: features below 0, or an image without any above it, where they are weights.
    """
    points = maps.flatten(2).mT
    weights = points.sum(2) if energy else points.new_ones(points.shape[:2])
    return Signatures.of(Signatures(points, weights / weights.sum(1, keepdim=True)))


def clustered(sets: Sequence[Tensor | np.ndarray], clusters: int, seed: int = 0) -> Signatures:
    """Describe each set of points by its cluster centres, weighted by the clusters' shares: the paper's section 4.3.

    Args:
        sets: points [m, d] each, such as the frames of a video.
        clusters: at most so many a set.
        seed: of the starting centres.

    Raises:
        UsageError: a set without points, or with numbers that are not finite.
    """
    from sklearn.cluster import KMeans

    if clusters < 1:
        raise UsageError(f"clusters: got {clusters}, expected 1 or more", "use 8")
    found = []
    for index, each in enumerate(sets):
        points = np.asarray(each, dtype=np.float64)
        if not points.size or not np.isfinite(points).all():
            raise UsageError(f"set {index}: empty, or with numbers that are not finite", "leave it out")
        points = points.reshape(len(points), -1)
        few = min(clusters, len(np.unique(points, axis=0)))
        means = KMeans(few, n_init=1, random_state=seed).fit(points)
        shares = np.bincount(means.labels_, minlength=few)
        found.append((means.cluster_centers_.astype(np.float32), shares.astype(np.float32)))
    return Signatures.of(found)


def textures(
    images: Tensor | np.ndarray, components: int = 100, learnt_from: np.ndarray | slice = slice(None)
) -> Signatures:
    """Describe each grey image by two points, its local binary patterns and its histogram of gradients, as in the
    paper's section 4.2: each is reduced by PCA to as many numbers, and scaled to unit variance.

    Args:
        images: [n, H, W], 0 to 1.
        components: of PCA, where there are as many images.
        learnt_from: rows of the images that PCA and variance are taken of, such as all that nothing is tested on.

    Raises:
        PolarPriorError: scikit-image is not installed.
    """
    try:
        from skimage.feature import hog, local_binary_pattern
    except ImportError as error:
        raise PolarPriorError(
            "textures: scikit-image is not installed", "pip install polarprior-ground-metric[textures]"
        ) from error
    pixels = np.asarray(images, dtype=np.float64)
    patterns = [_histograms(local_binary_pattern((each * 255).astype(np.uint8), 8, 1, "uniform")) for each in pixels]
    gradients = [hog(each, pixels_per_cell=(8, 8), cells_per_block=(2, 2)) for each in pixels]
    reduced = [_reduced(torch.from_numpy(np.stack(each)), components, learnt_from) for each in (patterns, gradients)]
    return Signatures.of(torch.stack(reduced, 1).float())


def stripes(images: np.ndarray, count: int = 6, bins: int = 8) -> Tensor:
    """Describe pictures of persons by their colours from head to foot: histograms of hue, saturation and value
    in horizontal stripes.

    Args:
        images: uint8 [n, H, W, 3].
        count: stripes.
        bins: of each histogram.

    Returns:
        [n, count * 3 * bins], float32; the bins of a histogram sum to 1.
    """
    found = []
    for image in images:
        values = np.asarray(Image.fromarray(image).convert("HSV")).astype(np.int64) * bins // 256
        for part in np.array_split(values, count):
            found += [np.bincount(part[..., channel].ravel(), minlength=bins) for channel in range(3)]
    shares = torch.from_numpy(np.stack(found)).float()
    return (shares / shares.sum(1, keepdim=True)).reshape(len(images), -1)


def reduction(points: Tensor, components: int) -> Tensor:
    """The leading principal directions of points [n, D]: [components, D], orthonormal, each with its largest entry
    above 0. As a linear map it leaves the mean where it is."""
    centred = (points - points.mean(0)).double()
    directions = torch.linalg.svd(centred, full_matrices=False).Vh[:components]
    return upright(directions).to(points.dtype)


def _histograms(codes: np.ndarray, block: int = 16) -> np.ndarray:
    """Count the ten uniform patterns in each block of pixels."""
    height, width = codes.shape
    blocks = [
        np.bincount(codes[top : top + block, left : left + block].astype(np.int64).ravel(), minlength=10) / block**2
        for top in range(0, height, block)
        for left in range(0, width, block)
    ]
    return np.concatenate(blocks)


def _reduced(features: Tensor, components: int, rows: np.ndarray | slice) -> Tensor:
    known = features[rows]
    projected = (features - known.mean(0)) @ reduction(known, components).T
    found = features.new_zeros(len(features), components)
    found[:, : projected.shape[1]] = projected / projected[rows].std(correction=0).clamp(min=1e-12)
    return found
