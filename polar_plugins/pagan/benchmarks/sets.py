"""The images that `runs.py` trains on, digits and faces, and the classifier that judges what comes of them."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import polarprior as pp
import torch
from polarprior.plugin import Latents, to_uint8
from polarprior_pagan.classifier import accuracy
from polarprior_pagan.classifier import trained as trained_classifier
from polarprior_pagan.data import Images, open_images
from polarprior_pagan.looking import Judge, Looks
from polarprior_pagan.recipe import Recipe
from polarprior_training.augmentations import shift
from scipy.cluster.vq import kmeans2
from torch.nn.functional import interpolate
from tqdm import tqdm

sys.path.append(str(Path(__file__).parents[3] / "benchmarks" / "paper"))  # last: its `page` is another one
from data import coloured, folder
from data import digits as mnist

SIZE, OF_FACES = 16, 32
"""Pixels a side of digits, and of faces."""
FACES, HELD_OUT = 20_000, 5_000
KINDS_OF_FACES, COMPONENTS = 10, 32
SETS = {"grey": "grey digits", "coloured": "coloured digits", "faces": "faces"}
"""What names of runs call them."""


@cache
def images_of(kind: str, quick: bool) -> tuple[Images, Images]:
    """Training and test set of one of `SETS`."""
    if kind == "grey":
        files = (folder() / f"{part}-images-idx3-ubyte" for part in ("train", "t10k"))
        training, test = (open_images(file, SIZE) for file in files)
        return training, test
    return _faces(quick) if kind == "faces" else _coloured()


def _coloured() -> tuple[Images, Images]:
    """Digits of a hue each, whatever their class, over a background that gets brighter from one side to another."""
    parts = []
    for part in ("train", "test"):
        noise = torch.Generator().manual_seed(len(part))
        images = interpolate(coloured(part, "uniform"), SIZE, mode="bilinear", antialias=True)
        ramp = torch.linspace(-1, 1, SIZE)
        slopes = torch.rand(len(images), 3, 2, generator=noise) * 2 - 1
        background = slopes[..., :1, None] * ramp[:, None] + slopes[..., 1:, None] * ramp
        pixels = ((torch.maximum(images, background / 2 - 0.5) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
        parts.append(Images(pixels.contiguous().numpy(), mnist(part)[1]))
    return parts[0], parts[1]


def _faces(quick: bool) -> tuple[Images, Images]:
    """Pictures of the face generator, of the seeds 0, 1, ...; their labels are clusters of the training set (k-means
    on its principal components), since faces have no classes."""
    generator = pp.load("dcgan-faces", "cpu")
    count = (400, 100) if quick else (FACES, HELD_OUT)
    parts = []
    for start in tqdm(range(0, sum(count), 100), "faces", mininterval=10):
        with torch.no_grad():
            large = generator(Latents(generator.prior.draw(range(start, start + 100)).z))
        parts.append(to_uint8(interpolate(large, OF_FACES, mode="bilinear", antialias=True)))
    pixels = np.concatenate(parts)
    flat = pixels.reshape(len(pixels), -1).astype(np.float32) / 255
    flat -= flat[: count[0]].mean(0)
    _, axes = np.linalg.eigh(flat[: count[0]].T @ flat[: count[0]])
    found = flat @ axes[:, -COMPONENTS:]
    centres, _ = kmeans2(found[: count[0]], KINDS_OF_FACES, minit="++", rng=np.random.default_rng(0))
    labels = np.square(found[:, None] - centres).sum(2).argmin(1)
    return Images(pixels[: count[0]], labels[: count[0]]), Images(pixels[count[0] :], labels[count[0] :])


@cache
def judged_by(kind: str, quick: bool) -> Looks:
    """The test set, and the classifier that looks at it."""
    training, test = images_of(kind, quick)
    network = trained_classifier(training, steps=50 if quick else 3000)
    print(f"  classifier of {SETS[kind]}: {accuracy(network, test):.4f} of the test set", flush=True)
    return Looks(test, Judge(network.features, network), shift, Recipe.latent_dim)
