"""Does polarity help a one-step model? `mnist:onestep`, its classes as prompts, beside what else can be done.

    python benchmarks/few_step.py [--sets 0,1,2,3,4] [--arms prior,pick] [--quick]

Five sets of seeds. In a set a class has 2 groups of 32 candidates, and 8 of a group are shown: 160 pictures a set.
The ways to choose; a product with the Jacobian counts as a pass through the network:

- ``prior``: the first 8 of a group.
- ``pick``: `polarprior.pick` of 8 among the 32, drawn at tilt -0.5 and 0.5, and the extremes.
- ``bank``: the 64 candidates of a class as a bank, 16 drawn from it at tilt -1, -0.5, 0.5, 1; and its controls, the
  same weights given to other rows.
- ``best``: of as many random pictures as ``pick`` has passes, those that a judge is surest of (a linear read-out of
  ``mnist:encoder``), and those that lie furthest apart in that space.
- ``start``: starts of larger variance (Boost-and-Skip, arXiv 2502.06516, its first half).
- ``norm``: starts of smaller norm.
- ``contrastive``: Contrastive Noise Optimization (arXiv 2510.03813): the 8 starts of a group are moved so that their
  pictures part from one another, each held to its own first one, by InfoNCE of cosines. In one step the picture is
  the expectation that the method looks at. Temperature, rate and steps are chosen here.

What has been made is kept in the folder of `scene.CACHE`, by set and way; ``--sets`` and ``--arms`` make a part. With
all sets made, the results go to ``results/few_step.json``, from which `few_step_page.py` writes the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import torch
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.law.weights import polarity_weights
from polarprior.metrics.frechet import Moments, frechet_distance
from polarprior.metrics.manifold import fidelity
from polarprior.samplers.coupling import MaximalCoupling
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parent / "paper"))
from data import digits, grey
from scene import CACHE, interval

MODEL, K = "mnist:onestep", 30
RESULTS = Path(__file__).parent / "results" / "few_step.json"
SETS, CLASSES = 5, 10
GROUPS, AMONG, KEEP = 2, 32, 8
MOST_GROUPS = 16
"""Groups of a class that have seeds of their own."""
TILTS, BANK_TILTS = (-0.5, 0.5), (-1.0, -0.5, 0.5, 1.0)
STARTS, NORMS = (1.05, 1.1, 1.2), (0.95, 0.9, 0.8)
STEPS, TEMPERATURE, RATES = 20, 0.1, (0.01, 0.03)
"""Steps, temperature and rates of Adam of the contrastive optimization."""
SPACES = ("mnist:classifier", "mnist:encoder", "mnist:classifier-logits")
JUDGES = SPACES[:2]
FAR, APART = 1 << 24, 1 << 14
"""The first seed of ``best``, and how many lie between the first ones of its classes: more than it takes."""
BATCH = 256
COMPARED = 2000
"""Test digits that precision, recall and coverage look at; the Fréchet distance takes all."""

Made = dict[str, tuple[Tensor, float]]
"""By way: z [CLASSES * n, *shape], class after class, and passes a picture."""


@cache
def generator() -> pp.Generator:
    """The model."""
    return pp.load(MODEL, "cpu")


def seeds_of(index: int, label: int, group: int) -> range:
    """The candidates of a group."""
    first = ((index * CLASSES + label) * MOST_GROUPS + group) * AMONG
    return range(first, first + AMONG)


def drawn(seeds: Any) -> Tensor:
    """Starts of seeds."""
    return generator().prior.draw(seeds, 0).z  # the same for every class


def labels(n: int) -> Tensor:
    """The classes of n pictures, class after class."""
    return torch.arange(CLASSES).repeat_interleave(n // CLASSES)


def by_class(choose: Callable[[int], list[Tensor]]) -> Tensor:
    """Starts of all classes."""
    return torch.cat([part for label in range(CLASSES) for part in choose(label)])


def plain(index: int) -> Tensor:
    """The first of each group."""
    return by_class(lambda label: [drawn(seeds_of(index, label, group)[:KEEP]) for group in range(GROUPS)])


def prior(index: int) -> Made:
    """The model's own."""
    return {"prior": (plain(index), 1)}


def start(index: int) -> Made:
    """Larger variance."""
    return {f"start x {scale:g}": (scale * plain(index), 1) for scale in STARTS}


def norm(index: int) -> Made:
    """Smaller norm."""
    return {f"norm x {scale:g}": (scale * plain(index), 1) for scale in NORMS}


def picked(index: int, label: int, group: int, **law: Any) -> pp.Pick:
    """A pick among a group."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a group whose ESS is below twice what is kept
        return pp.pick(
            generator(), seeds=seeds_of(index, label, group), keep=KEEP, label=label, k=K, force=True, **law
        )


def pick(index: int) -> Made:
    """Among the candidates of a group."""
    ways: dict[str, dict[str, Any]] = {f"pick {tilt:+g}": {"tilt": tilt} for tilt in TILTS}
    ways |= {"extremes low": {"tilt": -1.0, "best": True}, "extremes high": {"tilt": 1.0, "best": True}}
    made: Made = {}
    for name, law in ways.items():
        found = [picked(index, label, group, **law) for label in _told(name) for group in range(GROUPS)]
        made[name] = torch.cat([each.latents.z for each in found]), _passes(found)
    return made


def _passes(picks: list[pp.Pick]) -> float:
    """Passes for a picture that is shown."""
    return sum(each.spectra.passes for each in picks) / (KEEP * len(picks))


def bank(index: int) -> Made:
    """All candidates of a class as a bank, and the controls."""
    made: dict[str, list[Tensor]] = {}
    found: list[pp.Pick] = []
    for label in range(CLASSES):
        groups = [picked(index, label, group, tilt=1.0) for group in range(GROUPS)]
        found += groups
        volumes = np.concatenate([each.spectra.log_volume for each in groups])
        z = torch.cat([drawn(seeds_of(index, label, group)) for group in range(GROUPS)])
        shown = np.concatenate([np.arange(KEEP) + group * AMONG for group in range(GROUPS)])
        stream = np.random.default_rng([index, label])
        for tilt in BANK_TILTS:
            weights = polarity_weights(volumes, tilt / volumes.std()).values
            u = stream.random((len(shown), 2))
            for name, given in (("bank", weights), ("control of bank", stream.permutation(weights))):
                made.setdefault(f"{name} {tilt:+g}", []).append(z[MaximalCoupling(given).rows(shown, u)])
    return {name: (torch.cat(parts), _passes(found)) for name, parts in made.items()}


def best(index: int) -> Made:
    """The surest of many random pictures, and those that lie furthest apart."""
    spent = _passes([picked(index, label, group, tilt=1.0) for label in range(CLASSES) for group in range(GROUPS)])
    pool = round(spent * GROUPS * KEEP)
    weight, bias = _read_out()
    sure, apart = [], []
    for label in _told("best"):
        first = FAR + (index * CLASSES + label) * APART
        z = [drawn(range(at, min(at + BATCH, first + pool))) for at in range(first, first + pool, BATCH)]
        seen = torch.cat([_features(each, torch.full((len(each),), label))[JUDGES[1]] for each in z])
        certain = (seen @ weight + bias).log_softmax(1)[:, label]
        sure.append(torch.cat(z)[certain.topk(GROUPS * KEEP).indices])
        apart.append(torch.cat(z)[_furthest(seen, GROUPS * KEEP)])
    return {"best, surest": (torch.cat(sure), spent), "best, apart": (torch.cat(apart), spent)}


def contrastive(index: int) -> Made:
    """Each group's starts moved together."""
    return {
        f"contrastive {rate:g}": (
            by_class(
                lambda label, rate=rate: [
                    _parted(drawn(seeds_of(index, label, group)[:KEEP]), label, rate) for group in range(GROUPS)
                ]
            ),
            2 + 2 * STEPS,
        )
        for rate in RATES
    }


def _parted(z: Tensor, label: int, rate: float) -> Tensor:
    classes = torch.full((len(z),), label)
    moved = z.clone().requires_grad_()
    optimizer = torch.optim.Adam([moved], lr=rate)

    def looks(z: Tensor) -> Tensor:
        return torch.nn.functional.normalize(generator().synthesize(z, classes).flatten(1), dim=1)

    with torch.no_grad():
        held = looks(z)
    for _ in range(STEPS):
        seen = looks(moved)
        own = (seen * held).sum(1)
        others = (seen @ seen.T).masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
        logits = torch.cat([own[:, None], others], dim=1) / TEMPERATURE
        loss = -logits.log_softmax(1)[:, 0].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return moved.detach()


def _furthest(seen: Tensor, count: int) -> Tensor:
    """Places of points that lie far apart, one after another: the next is the furthest from those chosen."""
    chosen = [int((seen - seen.mean(0)).norm(dim=1).argmin())]
    near = torch.full((len(seen),), torch.inf)
    for _ in range(count - 1):
        near = torch.minimum(near, (seen - seen[chosen[-1]]).norm(dim=1))
        chosen.append(int(near.argmax()))
    return torch.tensor(chosen)


@cache
def _read_out() -> tuple[Tensor, Tensor]:
    """A linear classifier of ``mnist:encoder``: what chooses in ``best`` and doesn't judge."""
    phi = pp.feature_map(generator(), JUDGES[1])
    with torch.no_grad():
        seen = torch.cat([phi(each.expand(-1, 3, -1, -1)) for each in grey("train").split(2000)])
    target = torch.from_numpy(digits("train")[1])
    weight, bias = torch.zeros(seen.shape[1], CLASSES, requires_grad=True), torch.zeros(CLASSES, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(seen @ weight + bias, target)
        loss.backward()
        return loss

    optimizer.step(closure)
    return weight.detach(), bias.detach()


WAYS: dict[str, Callable[[int], Made]] = {
    "prior": prior,
    "start": start,
    "norm": norm,
    "contrastive": contrastive,
    "pick": pick,
    "bank": bank,
    "best": best,
}


def _told(name: str) -> Any:
    return tqdm(range(CLASSES), desc=name, leave=False)


def _features(z: Tensor, label: Tensor) -> dict[str, Tensor]:
    """What networks see in the pictures of starts, by space."""
    parts: dict[str, list[Tensor]] = {space: [] for space in SPACES}
    maps = {space: pp.feature_map(generator(), space) for space in SPACES}
    with torch.no_grad():
        for start in range(0, len(z), BATCH):
            rows = slice(start, start + BATCH)
            images = from_uint8(to_uint8(generator()(pp.Latents(z[rows], label[rows]))))
            for space, phi in maps.items():
                parts[space].append(phi(images))
    return {space: torch.cat(each) for space, each in parts.items()}


def vendi(features: Tensor) -> float:
    """The Vendi score (Friedman and Dieng 2023) of features [n, D]: how many different ones there are, by cosines."""
    rows = torch.nn.functional.normalize(features.double(), dim=1)
    shares = torch.linalg.eigvalsh(rows @ rows.T / len(rows)).clamp_min(1e-12)
    return float(torch.exp(-(shares * shares.log()).sum()))


class Real:
    """The test digits, as the judges see them."""

    def __init__(self) -> None:
        images = grey("test").expand(-1, 3, -1, -1)
        with torch.no_grad():
            maps = {space: pp.feature_map(generator(), space) for space in JUDGES}
            self.features = {space: torch.cat([phi(x) for x in images.split(1000)]) for space, phi in maps.items()}
        self.moments = {space: Moments.of(each) for space, each in self.features.items()}

    def figures(self, seen: dict[str, Tensor]) -> dict[str, dict[str, float]]:
        """Metrics of pictures, class after class, by judge."""
        found = {}
        asked = labels(len(seen[SPACES[2]]))
        probabilities = seen[SPACES[2]].softmax(1)
        answers = torch.bincount(probabilities.argmax(1), minlength=CLASSES) / len(asked)
        for space in JUDGES:
            near = fidelity(self.features[space][:COMPARED], seen[space])
            found[space] = {
                "precision": near.precision,
                "recall": near.recall,
                "coverage": near.coverage,
                "vendi": float(np.mean([vendi(seen[space][asked == label]) for label in range(CLASSES)])),
                "fid": frechet_distance(self.moments[space], seen[space]),
            }
        found[JUDGES[0]] |= {
            "confidence": float(probabilities.gather(1, asked[:, None]).mean()),
            "classes": float(torch.exp(-torch.xlogy(answers, answers).sum())) / CLASSES,
        }
        return found


def folder() -> Path:
    """Where what has been made is kept: by the model's weights and the sizes of the experiment."""
    return CACHE / f"few_step-{generator().fingerprint[:8]}-{GROUPS}-{AMONG}-{KEEP}"


def make(index: int, way: str) -> None:
    """Starts and features of a set by one way of choosing, where they aren't kept yet."""
    kept = folder() / f"{way}-{index}.json"
    if kept.exists():
        return
    started = time.process_time()
    about = {}
    for number, (name, (z, passes)) in enumerate(WAYS[way](index).items()):
        seen = _features(z, labels(len(z)))
        shown = z.unflatten(0, (CLASSES, -1))[:, :KEEP].contiguous()
        save_file({"z": shown, **seen}, folder() / f"{way}-{index}-{number}.safetensors")
        about[name] = {"passes": round(passes, 1), "file": f"{way}-{index}-{number}.safetensors"}
    minutes = round((time.process_time() - started) / 60, 2)
    kept.write_text(json.dumps({"cpu_minutes": minutes, "names": about}))
    print(f"set {index}, {way}: {minutes} CPU minutes", flush=True)


def gathered() -> dict[str, Any]:
    """The figures of all ways over the sets."""
    real, rows, minutes = Real(), {}, 0.0
    for way in WAYS:
        for index in range(SETS):
            kept = json.loads((folder() / f"{way}-{index}.json").read_text())
            minutes += kept["cpu_minutes"]
            for name, about in kept["names"].items():
                seen = load_file(folder() / about["file"])
                row = rows.setdefault(name, {"passes": [], "figures": []})
                row["passes"].append(about["passes"])
                row["figures"].append(real.figures(seen))
    return {
        "model": MODEL,
        "fingerprint": generator().fingerprint,
        "k": K,
        "sets": SETS,
        "pictures": CLASSES * GROUPS * KEEP,
        "cpu_minutes": round(minutes, 1),
        "halves": _halves(real),
        "rows": [
            {
                "way": name,
                "passes": float(np.mean(row["passes"])),
                "metrics": {
                    space: {
                        metric: interval([each[space][metric] for each in row["figures"]])
                        for metric in row["figures"][0][space]
                    }
                    for space in JUDGES
                },
            }
            for name, row in rows.items()
        ],
    }


def _halves(real: Real) -> dict[str, dict[str, float]]:
    """As many real pictures as a set has, against the test digits: the training digits, five times."""
    n, found = GROUPS * KEEP, []
    images, classes = grey("train"), torch.from_numpy(digits("train")[1])
    maps = {space: pp.feature_map(generator(), space) for space in SPACES}
    for index in range(SETS):
        rows = torch.cat([torch.where(classes == label)[0][index * n : (index + 1) * n] for label in range(CLASSES)])
        with torch.no_grad():
            found.append(
                real.figures({space: phi(images[rows].expand(-1, 3, -1, -1)) for space, phi in maps.items()})
            )
    return {
        space: {name: float(np.mean([each[space][name] for each in found])) for name in found[0][space]}
        for space in JUDGES
    }


def main() -> None:
    """Make what is asked for, and write the results where all is there."""
    global SETS, GROUPS, AMONG, KEEP
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=None, help="numbers of sets, with commas; all if not given")
    parser.add_argument("--arms", default=",".join(WAYS), help="ways to choose, with commas; all if not given")
    parser.add_argument("--quick", action="store_true", help="two tiny sets, nothing written: proves that it runs")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.quick:
        SETS, GROUPS, AMONG, KEEP = 2, 1, 8, 4
    folder().mkdir(parents=True, exist_ok=True)
    sets = range(SETS) if asked.sets is None else [int(each) for each in asked.sets.split(",")]
    for way in asked.arms.split(","):
        for index in sets:
            make(index, way)
    if not all((folder() / f"{way}-{index}.json").exists() for way in WAYS for index in range(SETS)):
        return
    results = gathered()
    for row in results["rows"]:
        figures = ", ".join(f"{name} {each['mean']:.3f}" for name, each in row["metrics"][JUDGES[0]].items())
        print(f"{row['way']}: {figures}")
    if not asked.quick:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
