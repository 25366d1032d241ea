"""Bad pictures found among draws: which score has them first.

1,000 draws of four generators, five times. A picture is bad where five classifiers of digits, trained apart on
different halves of the training digits, don't all read it alike: they are part of no score. The scores are the
log-volume, the local rank, the distance to the fifth nearest real digit and the rarity score (Han et al. 2022: the
smallest ball of a real digit that holds the picture), both in the features of an autoencoder, which knows no classes,
and the logit of the generator's own discriminator where it has one. The figure is the AUC: the chance that a bad
picture has the higher score than a good one.
"""

from __future__ import annotations

import time
from functools import cache, partial
from typing import Any

import numpy as np
import polarprior as pp
import torch
from data import digits
from memorised import auc
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.metrics.features import distances
from polarprior.metrics.nearest import nearest
from polarprior_benchmarks.kept_runs import Runs, rounded
from polarprior_benchmarks.reporting import Report
from polarprior_pagan.classifier import Classifier, trained
from polarprior_pagan.data import Images
from rare_samples import BORDER, encoded, padded
from torch import Tensor
from trained_networks import digits_of, trained_model

MODELS = ("mnist:wgan", "mnist:style", "progan", "nvae")
SETS, DRAWS, READERS, STEPS = 5, 1_000, 5, 1_500
FIRST, K = 1 << 31, 30
SPACE, NEIGHBOURS, REAL = "mnist:encoder", 5, 20_000
"""Where distances are taken, to which neighbour, and of how many real digits."""
WITHOUT = {("nvae", "discriminator")}
"""Scores that a generator cannot have."""
SCORES = ("log-volume", "local rank", "distance to real digits", "rarity score", "discriminator")


def name_of(model: str, index: int) -> str:
    """The name of a kept run."""
    return f"artefacts, {model}, {index}"


def run(runs: Runs, report: Report) -> None:
    """All generators."""
    sets, count = (1, 40) if runs.quick else (SETS, DRAWS)
    for model in MODELS[:1] if runs.quick else MODELS:
        for index in range(sets):
            found = runs(name_of(model, index), partial(measured, model, index, count, runs.quick))
            if found:
                report.add(f"artefacts, {model}, set {index}: AUC of the log-volume", found["log-volume"])


def measured(model: str, index: int, count: int, quick: bool) -> dict[str, Any]:
    """The share of bad pictures in a set, and the AUC of each score."""
    began = time.process_time()
    generator = pp.load(model if ":" in model else trained_model(model), "cpu")
    seeds = range(FIRST + index * count, FIRST + (index + 1) * count)
    images = from_uint8(to_uint8(generator(generator.prior.draw(seeds))))
    shown = digits_of(images)
    bad = _bad(shown, quick)
    found = pp.score(generator, seeds, k=K, ranks=["local-rank"])
    phi = pp.feature_map(pp.load("mnist:wgan", "cpu"), SPACE)
    with torch.no_grad():
        features = torch.cat([phi(part) for part in shown.split(250)])
    there = encoded("train")[:REAL]
    scores = {
        "log-volume": np.array([each.log_volume for each in found]),
        "local rank": np.array([each.ranks["local-rank"] for each in found]),
        "distance to real digits": nearest(there, features, NEIGHBOURS).distances[:, -1].numpy(),
        "rarity score": rarity(there, features),
    }
    if generator.discriminator is not None:
        with torch.no_grad():
            logits = torch.cat([generator.discriminator(part, None) for part in images.split(250)])
        scores["discriminator"] = -logits.double().numpy()
    aucs = {name: auc(values, bad) for name, values in scores.items()}
    return rounded({"bad": float(bad.mean()), **aucs, "cpu_seconds": time.process_time() - began})


def rarity(real: Tensor, generated: Tensor, neighbours: int = 3) -> np.ndarray:
    """The radius of the smallest ball of a real row that holds each generated row, float64 [n]; infinite in none.

    Han et al. 2022, *Rarity score*; the ball of a row ends at its third nearest real one, itself not counted.
    """
    radii = nearest(real, real, neighbours + 1).distances[:, -1]
    found = np.empty(len(generated))
    for rows, squares in distances(generated, real):
        inside = squares.sqrt() <= radii
        found[rows] = torch.where(inside, radii, torch.inf).amin(1).numpy()
    return found


def _bad(shown: Tensor, quick: bool) -> np.ndarray:
    """Tell which pictures the readers don't all read alike."""
    wide, readers = torch.nn.functional.pad(shown, [BORDER] * 4, value=-1.0), _readers(quick)
    with torch.no_grad():
        read = [torch.cat([each(part).argmax(1) for part in wide.split(250)]) for each in readers]
    return (torch.stack(read) != read[0]).any(0).numpy()


@cache
def _readers(quick: bool) -> list[Classifier]:
    """Classifiers that have learned from different halves of the training digits."""
    pixels, labels = digits("train")
    found = []
    for number in range(READERS):
        rows = np.random.default_rng(number).permutation(len(labels))[: len(labels) // 2]
        images = Images(padded(pixels[rows][..., None]), labels[rows])
        found.append(trained(images, seed=100 + number, steps=20 if quick else STEPS))
    return found
