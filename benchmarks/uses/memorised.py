"""Draws that are training pictures: which score finds them.

The network of ``mnist:wgan``, trained on 500 digits until it repeats some of them, five times from different seeds.
A draw is memorised where its nearest training digit, by pixels, is less than half as far as the nearest of the 59,500
that it has not seen: the digit itself, not just its like. The scores are the log-volume, which knows no training
digits, the distance to the nearest training digit by an autoencoder, and that beside the nearest unseen one; and how
little ink there is, since thin digits have many that are near. An AUC compares draws that a classifier reads as the
same digit, for the same reason.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import torch
from data import grey
from polarprior.files import user_cache
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.metrics.nearest import nearest
from polarprior_benchmarks.kept_runs import Runs, rounded
from polarprior_benchmarks.reporting import Report
from polarprior_mnist.zoo import LATENT_DIM, MODELS
from rare_samples import encoded
from safetensors.torch import load_file
from scipy.stats import rankdata

SEEN, STEPS, DRAWS, SETS, K = 500, 4_000, 2_000, 5, 30
NEARER = 0.5
FOLDER = (user_cache() or Path("cache")) / "memorised"
TRAINER = Path(__file__).parents[1] / "paper" / "train.py"


def name_of(index: int) -> str:
    """The name of a kept run."""
    return f"memorised, {index}"


def run(runs: Runs, report: Report) -> None:
    """All trainings."""
    sets, count, steps = (1, 40, 5) if runs.quick else (SETS, DRAWS, STEPS)
    for index in range(sets):
        found = runs(name_of(index), partial(measured, index, count, steps))
        if found:
            report.add(f"memorised, training {index}: AUC of the log-volume", found["log-volume"])


def measured(index: int, count: int, steps: int) -> dict[str, Any]:
    """The share of memorised draws of an over-trained network, and the AUC of each score."""
    began = _cpu_seconds()
    generator = over_trained(index, steps)
    latents = generator.prior.draw(range(count))
    images = from_uint8(to_uint8(generator(latents)))
    own, others = grey("train")[:SEEN], grey("train")[SEEN:]
    by_pixels = [nearest(each.flatten(1), images.flatten(1), 1).distances[:, 0] for each in (own, others)]
    memorised = (by_pixels[0] < NEARER * by_pixels[1]).numpy()
    phi = pp.feature_map(pp.load("mnist:wgan", "cpu"), "mnist:encoder")
    with torch.no_grad():
        features = torch.cat([phi(part) for part in images.split(500)])
    there = encoded("train")
    seen, unseen = (nearest(each, features, 1).distances[:, 0].numpy() for each in (there[:SEEN], there[SEEN:]))
    scores = {
        "log-volume": -pp.log_volume(generator, latents, k=K),
        "nearest training digit": -seen,
        "beside the nearest unseen": unseen / seen,
        "little ink": -images.mean((1, 2, 3)).numpy(),
    }
    read = _read(images)
    found = {name: auc(values, memorised, read) for name, values in scores.items()}
    return rounded({"memorised": float(memorised.mean()), **found, "cpu_seconds": _cpu_seconds() - began})


def _cpu_seconds() -> float:
    """CPU seconds of this process and of those that it has started."""
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _read(images: torch.Tensor) -> np.ndarray:
    """The digit [n] that the classifier of `polarprior-mnist` reads in images [n, 1, 28, 28]."""
    phi = pp.feature_map(pp.load("mnist:wgan", "cpu"), "mnist:classifier-logits")
    with torch.no_grad():
        return torch.cat([phi(part).argmax(1) for part in images.split(500)]).numpy()


def over_trained(index: int, steps: int) -> pp.Generator:
    """A network trained on `SEEN` digits, made once."""
    folder = FOLDER / f"{index}-{steps}"
    path = folder / "wgan.safetensors"
    if not path.exists():
        options = ["--steps", steps, "--images", SEEN, "--seed", index, "--out", folder]
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, TRAINER, "wgan", *map(str, options)], check=True)
    network = MODELS["wgan"].network()
    network.load_state_dict(load_file(path))
    return pp.wrap(network.eval().requires_grad_(False), latent_dim=LATENT_DIM)


def auc(scores: np.ndarray, positive: np.ndarray, groups: np.ndarray | None = None) -> float:
    """The chance that a positive row has the higher score than a negative one, ties counting half; NaN where there
    are no pairs.

    Args:
        scores: [n].
        positive: bool [n].
        groups: only pairs of one group are compared, [n]; all where None.
    """
    above, pairs = 0.0, 0
    for group in [None] if groups is None else np.unique(groups):
        own = np.ones(len(scores), bool) if groups is None else groups == group
        ranks, there = rankdata(scores[own]), positive[own]
        count, rest = int(there.sum()), int((~there).sum())
        above += float(ranks[there].sum()) - count * (count + 1) / 2
        pairs += count * rest
    return above / pairs if pairs else float("nan")
