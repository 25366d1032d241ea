"""Drawn digits to train a classifier on, which is to know rare digits as well.

``mnist:classes`` draws 1,000 digits a class in one of several ways; a classifier trained on them alone reads
MNIST's test digits, and the rarest tenth of each class: those furthest from their nearest training digits of the same
class, by an autoencoder that knows no classes. Banks are kept in the folder of `scene.CACHE`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import polarprior as pp
import torch
from data import digits, grey
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.metrics.nearest import nearest
from polarprior_benchmarks.kept_runs import Runs, rounded
from polarprior_benchmarks.reporting import Report
from polarprior_pagan.classifier import Classifier, trained
from polarprior_pagan.data import Images
from scene import CACHE
from torch import Tensor

MODEL, SETS, CLASSES = "mnist:classes", 5, 10
DRAWS, ROWS, STEPS = 1_000, 10_000, 1_500
"""Draws a class, rows of a class's bank, and steps of a classifier."""
TRIED_ROWS = 300
"""Rows of a bank with --quick."""
FRESH = 1 << 31
"""Seeds from here on are no row of a bank."""
NEIGHBOURS, RARE = 5, 0.1
BORDER = 2
"""Pixels around a digit: classifiers take 32 x 32."""

Draw = Callable[[int, int, int], pp.Latents]
"""Draws latents, so many, of a class, for one of the five sets: (number of the set, class, how many)."""


def _fresh(index: int, label: int, count: int, **settings: Any) -> pp.Latents:
    return pp.load(MODEL, "cpu", **settings).prior.draw(_fresh_seeds(index, label, count), label)


def _fresh_seeds(index: int, label: int, count: int) -> range:
    """Seeds of no bank's row, others for each set and class."""
    first = FRESH + (index * CLASSES + label) * DRAWS
    return range(first, first + count)


def _polarised(index: int, label: int, count: int, tilt: float, **law: Any) -> pp.Latents:
    generator = pp.load(MODEL, "cpu")
    bank = _bank(index, label, TRIED_ROWS if count < DRAWS else ROWS)
    sampler = pp.latent_sampler(generator, bank, label=label, tilt=tilt, force=True, **law)
    if law.get("sampler") == "online":
        return sampler.sample(_fresh_seeds(index, label, count), label)
    first = (index * CLASSES + label) * ROWS
    return sampler.sample(range(first, first + count), label)


@cache
def _bank(index: int, label: int, rows: int) -> pp.Bank:
    generator, path = pp.load(MODEL, "cpu"), CACHE / f"uses-classes-{index}-{label}-{rows}.safetensors"
    if not path.exists():
        first = (index * CLASSES + label) * ROWS
        pp.build_bank(generator, rows, 30, classes=[label], seeds_from=first, out=path)
    return pp.Bank.open(path)


def _rejected(index: int, label: int, count: int) -> pp.Latents:
    sampler = pp.latent_sampler(pp.load(MODEL, "cpu"), None, 0.0, sampler="rivals:drs:80", label=label)
    return sampler.sample(_fresh_seeds(index, label, count), label)


WAYS: dict[str, Draw] = {
    "prior": _fresh,
    "truncated to ±1": lambda *asked: _fresh(*asked, trunc=1.0),
    "tilt 0.5": lambda *asked: _polarised(*asked, tilt=0.5),
    "tilt 1": lambda *asked: _polarised(*asked, tilt=1.0),
    "tilt -0.5": lambda *asked: _polarised(*asked, tilt=-0.5),
    "tilt 0.5, online": lambda *asked: _polarised(*asked, tilt=0.5, sampler="online"),
    "tilt -0.5, online": lambda *asked: _polarised(*asked, tilt=-0.5, sampler="online"),
    "tilt 0.5, contrast and brightness held": lambda *asked: _polarised(
        *asked, tilt=0.5, hold=("contrast", "brightness")
    ),
    "discriminator rejection": _rejected,
}
PRIOR, REAL = "prior", "real digits"


def name_of(way: str, index: int) -> str:
    """The name of a kept run."""
    return f"rare, {way}, {index}"


def run(runs: Runs, report: Report) -> None:
    """All ways, and real digits for scale."""
    sets, count, steps = (1, 30, 20) if runs.quick else (SETS, DRAWS, STEPS)
    for index in range(sets):
        for way in [*WAYS, REAL]:
            found = runs(name_of(way, index), partial(measured, way, index, count, steps))
            if found:
                report.add(f"rare, {way}, set {index}: accuracy on the rarest", found["rarest"])


def measured(way: str, index: int, count: int, steps: int) -> dict[str, Any]:
    """A classifier's accuracy on test digits, and on the rarest; how many of its training digits are distinct."""
    began = time.process_time()
    images, labels, distinct = _data(way, index, count)
    network = trained(Images(padded(images), labels), seed=index, steps=steps)
    right = _right(network)
    found = {"accuracy": float(right.mean()), "rarest": float(right[rarest()].mean()), "distinct": distinct}
    return rounded({**found, "cpu_seconds": time.process_time() - began})


def _data(way: str, index: int, count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Images uint8 [n, 28, 28, 1], their labels, and how many are distinct."""
    labels = np.repeat(np.arange(CLASSES), count)
    if way == REAL:
        pixels, known = digits("train")
        stream = np.random.default_rng(index)
        rows = np.concatenate(
            [stream.choice(np.flatnonzero(known == label), count, replace=False) for label in range(CLASSES)]
        )
        return pixels[rows][..., None], labels, len(np.unique(rows))
    generator, parts = pp.load(MODEL, "cpu"), []
    for label in range(CLASSES):
        parts.append(to_uint8(generator(WAYS[way](index, label, count), batch_size=250)))
    images = np.concatenate(parts)
    return images, labels, len(np.unique(images.reshape(len(images), -1), axis=0))


def padded(images: np.ndarray) -> np.ndarray:
    """Digits uint8 [n, 28, 28, 1] with a border, as classifiers take them."""
    return np.pad(images, ((0, 0), (BORDER, BORDER), (BORDER, BORDER), (0, 0)))


def _right(network: Classifier) -> np.ndarray:
    """Tell which test digits it reads right."""
    pixels, labels = digits("test")
    shown = from_uint8(padded(pixels[..., None]))
    with torch.no_grad():
        read = torch.cat([network(part).argmax(1) for part in shown.split(500)])
    return read.numpy() == labels


@cache
def rarest() -> np.ndarray:
    """Tell which test digits are the rarest tenth of their class."""
    (_, known), (_, labels) = digits("train"), digits("test")
    there, here = encoded("train"), encoded("test")
    rare = np.zeros(len(labels), bool)
    for label in range(CLASSES):
        own = np.flatnonzero(labels == label)
        far = nearest(there[known == label], here[own], NEIGHBOURS).distances[:, -1].numpy()
        rare[own[far >= np.quantile(far, 1 - RARE)]] = True
    return rare


@cache
def encoded(part: str) -> Tensor:
    """Features [n, 32] of real digits by the autoencoder."""
    phi = pp.feature_map(pp.load(MODEL, "cpu"), "mnist:encoder")
    with torch.no_grad():
        return torch.cat([phi(each) for each in grey(part).split(500)])
