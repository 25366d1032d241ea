"""Draws that are training pictures: which score finds them.

Two networks see 500 digits alone, five times from different seeds: that of ``mnist:wgan``, for 512 epochs, which
repeats none of them, and a flow, for 1,536 epochs, which does. A draw is memorised where its nearest training digit,
by pixels, is less than half as far as the nearest of the 59,500 that the network has not seen: the digit itself, not
just its like. The scores are the log-volume, which knows no training digits, the distance to the nearest training
digit by an autoencoder, and that beside the nearest unseen one; and how little ink there is, since thin digits have
many that are near. An AUC compares draws that a classifier reads as the same digit, for the same reason.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import flow
import numpy as np
import polarprior as pp
import torch
from data import grey
from polarprior.files import user_cache, write_atomically
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.metrics.nearest import nearest
from polarprior_benchmarks.kept_runs import Runs, rounded
from polarprior_benchmarks.reporting import Report
from polarprior_mnist.zoo import LATENT_DIM, MODELS
from rare_samples import encoded
from safetensors.torch import load_file, save
from scipy.stats import rankdata

SEEN, DRAWS, SETS, K = 500, 1_000, 5, 30
STEPS = {"wgan": 4_000, "flow": 6_000}
"""Networks, and the steps of their training."""
NEARER = 0.5
FOLDER = (user_cache() or Path("cache")) / "memorised"
TRAINER = Path(__file__).parents[1] / "paper" / "train.py"


def name_of(network: str, index: int) -> str:
    """The name of a kept run."""
    return f"memorised, {network}, {index}"


def run(runs: Runs, report: Report) -> None:
    """All trainings."""
    for network, steps in STEPS.items():
        for index in range(1 if runs.quick else SETS):
            count, enough = (40, 5) if runs.quick else (DRAWS, steps)
            found = runs(name_of(network, index), partial(measured, network, index, count, enough))
            if found:
                report.add(f"{name_of(network, index)}: share of memorised draws", found["memorised"])


def measured(network: str, index: int, count: int, steps: int) -> dict[str, Any]:
    """The share of memorised draws of an over-trained network, and the AUC of each score where there is one."""
    began = _cpu_seconds()
    generator = over_trained(network, index, steps)
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
    found = {name: auc(values, memorised, read) for name, values in scores.items()} if memorised.any() else {}
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


def over_trained(name: str, index: int, steps: int) -> pp.Generator:
    """A network trained on `SEEN` digits, made once."""
    path = FOLDER / f"{index}-{steps}" / f"{name}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        if name == "flow":
            write_atomically(path, save(flow.trained(SEEN, steps, index).state_dict()))
        else:
            options = ["--steps", steps, "--images", SEEN, "--seed", index, "--out", path.parent]
            subprocess.run([sys.executable, TRAINER, name, *map(str, options)], check=True)
    network, latent_dim = (flow.Flow(), flow.PIXELS) if name == "flow" else (MODELS[name].network(), LATENT_DIM)
    network.load_state_dict(load_file(path))
    return pp.wrap(network.eval().requires_grad_(False), latent_dim=latent_dim)


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
