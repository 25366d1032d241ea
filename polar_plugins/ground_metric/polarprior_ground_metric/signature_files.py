"""Signatures and their labels from files: an .npz of a user's own, or pictures in a folder a class."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from polarprior.plugin import PolarPriorError, Reference, UsageError, npz_array, npz_header, open_reference, refusing

from polarprior_ground_metric.images import ink_patches, stripes
from polarprior_ground_metric.signatures import Signatures

LARGEST = 1 << 31
"""Bytes of an array."""
LAYOUT = "points [n, m, d], or points [p, d] with sizes [n] that sum to p; weights of the points where they have some"
NAMES = ("points", "sizes", "weights", "labels")


class Labelled(NamedTuple):
    """Signatures, and what they are of.

    Attributes:
        signatures: n.
        labels: [n], int64 or text.
    """

    signatures: Signatures
    labels: np.ndarray


def read_signatures(path: Path, described: str = "") -> Labelled:
    """Read signatures with their labels.

    Args:
        path: an .npz of float arrays ``points`` [n, m, d] and, where points differ in weight, ``weights`` [n, m]; or,
            where signatures differ in size, of ``points`` [p, d], all one after the other, ``sizes`` [n] and
            ``weights`` [p]. ``labels`` [n] are whole numbers or words. Or pictures, as `open_reference` takes them,
            with labels.
        described: how a picture becomes a signature, one of `OF_PICTURES`; empty for an .npz.

    Raises:
        UsageError: no labels, arrays that don't belong together, pictures of several shapes, no description of
            pictures, or one of what are none.
        PolarPriorError: a damaged file.
    """
    if path.suffix == ".npz":
        if described:
            raise UsageError(f"points: got {described}, but {path} holds signatures", "leave it out")
        return _of_arrays(path, _arrays(path))
    reference = open_reference(path)
    labels = reference.labels()
    if labels is None:
        raise UsageError(f"data: {path} has no labels", "give a folder with a folder of pictures a class")
    if described not in OF_PICTURES:
        raise UsageError(
            f"points: got {described or 'none'} for pictures, expected one of {', '.join(OF_PICTURES)}", "use stripes"
        )
    channels, describe = OF_PICTURES[described]
    return Labelled(describe(_pixels(reference, channels)), labels)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Those of `NAMES` that are there."""
    if not path.is_file():
        raise UsageError(f"data: got {str(path)!r}, no such file", "name an .npz, or a folder of pictures")
    hint = f"write one with: numpy.savez, of labels and {LAYOUT}"
    found = {}
    with refusing(f"data: {path} holds no signatures", hint), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name not in NAMES:
                continue
            kind, shape = npz_header(archive, entry)
            if kind.kind not in ("iuUf" if name == "labels" else "iuf") or not kind.itemsize or 0 in shape:
                raise PolarPriorError(f"data: {name} of {path} is {kind} {list(shape)}, expected numbers", hint)
            if entry.file_size > LARGEST:
                raise PolarPriorError(f"data: {name} of {path} has more than {LARGEST} bytes", "split it")
            found[name] = npz_array(archive, entry)
    for name in ("points", "labels"):
        if name not in found:
            raise UsageError(f"data: {path} has no array {name}, but {', '.join(found) or 'none of them'}", hint)
    return found


def _of_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> Labelled:
    points, sizes, weights, labels = (arrays.get(name) for name in NAMES)
    assert points is not None
    assert labels is not None
    shapes = f"points {list(points.shape)}" + ("" if sizes is None else f", sizes {list(sizes.shape)}")
    if points.ndim != (3 if sizes is None else 2) or (sizes is not None and sizes.ndim != 1):
        raise UsageError(f"data: {path} has {shapes}, expected {LAYOUT}", "give each signature a set of points")
    if weights is not None and weights.shape != points.shape[:-1]:
        raise UsageError(
            f"data: {path} has weights {list(weights.shape)}, expected {list(points.shape[:-1])}",
            "give each point a weight, or none",
        )
    if sizes is not None and (sizes.dtype.kind == "f" or sizes.min() < 1 or sizes.sum() != len(points)):
        raise UsageError(
            f"data: {path} has sizes that are no whole numbers above 0 with the sum {len(points)}, of all points",
            "say how many points each signature has",
        )
    count = len(points) if sizes is None else len(sizes)
    if labels.shape != (count,) or labels.dtype.kind == "f":
        raise UsageError(
            f"data: {path} has labels {labels.dtype} {list(labels.shape)}, expected [{count}] whole numbers or words",
            "give each signature a label",
        )
    ends = None if sizes is None else np.cumsum(sizes)[:-1]
    sets = list(points) if ends is None else np.split(points, ends)
    if weights is None:
        return Labelled(Signatures.of(sets), labels)
    shares = list(weights) if ends is None else np.split(weights, ends)
    return Labelled(Signatures.of(list(zip(sets, shares, strict=True))), labels)


def _pixels(reference: Reference, channels: int) -> np.ndarray:
    """uint8 [n, H, W, channels], of the first picture's size."""
    width, height = reference.picture(0).size
    return reference.pixels(list(range(len(reference))), channels, (height, width))


def _patches(pixels: np.ndarray) -> Signatures:
    return ink_patches(torch.from_numpy(pixels[..., 0]) / 255)


def _stripes(pixels: np.ndarray) -> Signatures:
    """Each stripe is a point: its colours, and how far down it is."""
    count = 6
    colours = stripes(pixels, count).reshape(len(pixels), count, -1)
    heights = torch.linspace(0, 1, count)[None, :, None].expand(len(pixels), -1, 1)
    return Signatures.of(torch.cat([colours, heights], 2))


OF_PICTURES: dict[str, tuple[int, Callable[[np.ndarray], Signatures]]] = {
    "patches": (1, _patches),
    "stripes": (3, _stripes),
}
"""How a picture becomes a signature: its channels, and what describes it."""
