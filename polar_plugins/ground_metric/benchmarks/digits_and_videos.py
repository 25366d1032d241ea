"""What the benchmarks learn from: digits and MNIST, each image moved by itself, and videos of moving digits."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
from polarprior_ground_metric.images import clustered, ink_patches, reduction
from polarprior_ground_metric.signatures import Signatures
from rivals import COMPONENTS
from sklearn.datasets import load_digits
from torch.nn.functional import avg_pool2d

sys.path.append(str(Path(__file__).parents[3] / "benchmarks" / "paper"))  # last: its `rivals` is another one
from data import digits as mnist

TRAIN, TEST = 500, 300
SETS = {"digits": (2, {"size": 3, "most": 12}), "mnist": (4, {"size": 5, "most": 16})}
"""How far images are shifted, in pixels, and their patches."""
PATCH_COMPONENTS = 10
"""Components that PCA leaves of a patch of MNIST's 25 pixels."""
FRAMES, FIELD, CLUSTERS = (42, 52), 40, 8
"""Frames of a video, as in the paper's section 4.3; pixels a side; points of its signature."""

Part = tuple[np.ndarray, np.ndarray]
"""Images [n, H, W] in [0, 1] and labels [n]."""


@cache
def source(name: str) -> Part:
    """All images of a data set, 0 for paper and 1 for ink."""
    if name == "digits":
        found = load_digits()
        return (found.images / 16).astype(np.float32), found.target
    pixels, labels = mnist("train")
    return pixels.astype(np.float32) / 255, labels


def samples(name: str, shifted: bool, seed: int, quick: bool) -> tuple[Part, Part]:
    """Training and test images, each moved by itself where `shifted`; MNIST's halved in size."""
    images, labels = source(name)
    stream, reach = np.random.default_rng(seed), SETS[name][0] if shifted else 0
    train, test = (100, 30) if quick else (TRAIN, TEST)
    rows = stream.permutation(len(images))[: train + test]
    height, width = images.shape[1:]
    moved = np.zeros((len(rows), height + 2 * reach, width + 2 * reach), np.float32)
    for place, row in zip(moved, rows, strict=True):
        down, across = stream.integers(0, 2 * reach + 1, 2)
        place[down : down + height, across : across + width] = images[row]
    if name == "mnist":
        moved = avg_pool2d(torch.from_numpy(moved)[:, None], 2)[:, 0].numpy()
    found = labels[rows]
    return (moved[:train], found[:train]), (moved[train:], found[train:])


def signatures(name: str, train: np.ndarray, test: np.ndarray) -> tuple[Signatures, Signatures]:
    """Patches with their places; those of MNIST after a PCA of the training set's."""
    found = ink_patches(train, **SETS[name][1]), ink_patches(test, **SETS[name][1])
    if name == "digits":
        return found
    to_few = reduction(found[0].points[..., :-2].flatten(0, 1), PATCH_COMPONENTS)

    def reduced(each: Signatures) -> Signatures:
        patches, places = each.points[..., :-2], each.points[..., -2:]
        return Signatures(torch.cat([patches @ to_few.T, places], 2), each.weights)

    return reduced(found[0]), reduced(found[1])


def film(image: np.ndarray, camera: int, stream: np.random.Generator) -> np.ndarray:
    """A digit on its way through a field, thrown back by its edges: [frames, FIELD / 2, FIELD / 2]. Camera 1 sees it
    darker, blurred and with noise."""
    count = int(stream.integers(FRAMES[0], FRAMES[1] + 1))
    room = FIELD - image.shape[0]
    at, speed = stream.uniform(0, room, 2), stream.uniform(-2, 2, 2)
    frames = np.zeros((count, FIELD, FIELD), np.float32)
    for frame in frames:
        speed = np.where((at + speed < 0) | (at + speed > room), -speed, speed)
        at = at + speed
        down, across = at.round().astype(int)
        frame[down : down + len(image), across : across + len(image)] = image
    seen = torch.from_numpy(frames)[:, None]
    if camera:
        seen = 0.7 * avg_pool2d(seen, 3, 1, 1) + 0.05 * torch.from_numpy(
            stream.standard_normal(seen.shape).astype(np.float32)
        )
    return avg_pool2d(seen, 2)[:, 0].numpy()


def videos_of(rows: np.ndarray, cameras: tuple[int, ...], stream: np.random.Generator) -> list[np.ndarray]:
    """A video of each image by each camera, [frames, D] each."""
    pictures = source("mnist")[0]
    films = [film(pictures[row], camera, stream) for row in rows for camera in cameras]
    return [each.reshape(len(each), -1) for each in films]


def of_videos(train: list[np.ndarray], test: list[np.ndarray], seed: int) -> tuple[Signatures, Signatures]:
    """Each video's clusters of frames, after a PCA of the training set's."""
    to_few = reduction(torch.from_numpy(np.concatenate(train)), COMPONENTS)
    parts = [[torch.from_numpy(each) @ to_few.T for each in part] for part in (train, test)]
    return clustered(parts[0], CLUSTERS, seed), clustered(parts[1], CLUSTERS, seed)
