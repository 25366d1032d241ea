"""What the experiments share: independent banks of a model, features of their pictures and of real ones, rows with
their controls, and results as JSON.

Everything that takes long is kept in the folder that ``POLARPRIOR_PAPER`` names, else in the user's cache, and is
made only once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import torch
from data import coloured, grey
from polarprior.files import user_cache, write_atomically
from polarprior.hashing import uniforms
from polarprior.images.pictures import from_uint8, to_uint8
from polarprior.law.diagnostics import DEFICIENT_SHARE, Diagnostics
from polarprior.metrics.frechet import Moments, frechet_distance
from polarprior.metrics.manifold import Fidelity, fidelity
from polarprior.samplers.bank_sampler import WeightedBank
from polarprior.samplers.contract import SamplerOptions
from polarprior.samplers.coupling import MaximalCoupling
from polarprior.wrapping import latent_prior
from safetensors.torch import load_file, save_file
from scipy.stats import t as student
from torch import Tensor
from tqdm import tqdm

CACHE = Path(os.environ.get("POLARPRIOR_PAPER") or (user_cache() or Path("cache")) / "paper")
RESULTS = Path(__file__).parent / "results"
BANKS, ROWS = 5, 10_000
COMPARED = 5_000
"""Images a side for precision and recall; the Fréchet distance takes all `ROWS`."""
K = 30
SPACES = ("mnist:classifier", "mnist:encoder")
"""Where images are compared: what tells digits apart, and what an autoencoder, which knows no digits, keeps."""
TILTS = (-1.5, -1.0, -0.5, -0.25, -0.1, 0.0, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0)
"""|rho|·std(l_k) with the sign of rho: what can be compared between models, spaces and k."""

BATCH = 250
"""Images at once."""
Features = dict[str, Tensor]
"""By space, [n, D]."""
Figures = dict[str, dict[str, float]]
"""By space and metric."""
Interval = dict[str, Any]
"""What `interval` gives."""


class Scene:
    """A model, its banks in one space, and features of what they hold.

    Args:
        model: as the command line names it.
        space: where volume is measured.
        k: singular values.
        label: of a class-conditional model.
        within: each number of z is kept within ± this, as in Marchesi 2017 and BigGAN's trick.
        seen: what of its images features are computed from; all where None.
        domain: where the Jacobian is taken.
        estimator: of the banks, see `polarprior.build_bank`.
        settings: of the model, such as ``trunc=0.7``.

    Attributes:
        about: the model, its settings and its weights, as a part of a file's name.
        bank_seconds: what the banks of all scenes took that were asked for, as their logs say.
    """

    bank_seconds = 0.0

    def __init__(
        self,
        model: str,
        space: str = "pixel",
        k: int = K,
        label: int | None = None,
        within: float | None = None,
        seen: Callable[[Tensor], Tensor] | None = None,
        domain: str = "z",
        estimator: str | None = None,
        **settings: Any,
    ):
        self.model, self.space, self.k, self.label, self.domain = model, space, k, label, domain
        self.estimator = estimator
        self.generator = pp.load(model, "cpu", **settings)
        if within is not None:
            prior = latent_prior(f"truncated-normal:{within}", self.generator.prior.dim)
            self.generator = replace(self.generator, prior=prior)
        self._features: dict[int, Features] = {}
        self._banks: dict[int, pp.Bank] = {}
        self._seen = seen or (lambda images: images)
        self.about = "-".join(
            [model.partition("/")[0].replace(":", "-"), *(f"{name}{value:g}" for name, value in settings.items())]
            + ([] if label is None else [f"class{label}"])
            + [self.generator.fingerprint[:8]]
            + ([] if within is None else [f"within{within:g}"])
        )

    def bank(self, index: int) -> pp.Bank:
        """Bank `index`: `ROWS` rows, of seeds that no other has."""
        if index not in self._banks:
            name = f"{self.about}-{self.space.replace(':', '-')}-{self.domain}-k{self.k}-{index}-{ROWS}"
            path = CACHE / f"{name}{'' if self.estimator is None else f'-{self.estimator}'}.safetensors"
            if not path.exists():
                pp.build_bank(
                    self.generator,
                    ROWS,
                    self.k,
                    space=self.space,
                    domain=self.domain,
                    classes=None if self.label is None else [self.label],
                    seeds_from=index * ROWS,
                    estimator=self.estimator,
                    out=path,
                    progress=True,
                )
            self._banks[index] = pp.Bank.open(path)
            log = path.with_suffix(".log.jsonl")
            lines = log.read_text().splitlines() if log.exists() else []
            Scene.bank_seconds += sum(json.loads(line)["seconds"] for line in lines)
        return self._banks[index]

    def features(self, index: int) -> Features:
        """Features [ROWS, D] of the rows of bank `index`, by space."""
        if index not in self._features:
            self._features[index] = self._kept_features(index * ROWS)
        return self._features[index]

    def _kept_features(self, first: int) -> Features:
        path = CACHE / f"{self.about}-features-{first}-{ROWS}.safetensors"
        if not path.exists():
            found = self.features_of(self.generator.prior.draw(range(first, first + ROWS), self.label))
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_suffix(f".{os.getpid()}")
            save_file(found, scratch)
            scratch.replace(path)
        return load_file(path)

    def features_of(self, latents: pp.Latents) -> Features:
        """Features [n, D] of the images of n latents, by space."""
        parts: dict[str, list[Tensor]] = {space: [] for space in SPACES}
        maps = {space: pp.feature_map(self.generator, space) for space in SPACES}
        for start in tqdm(range(0, len(latents), BATCH), desc=f"features of {self.about}", delay=2, leave=False):
            images = self._seen(from_uint8(to_uint8(self.generator(latents[start : start + BATCH]))))
            for space, phi in maps.items():
                with torch.no_grad():
                    parts[space].append(phi(images))
        return {space: torch.cat(each) for space, each in parts.items()}

    @cached_property
    def drawn_k(self) -> int:
        """The singular values of the law: as many as the banks hold, or fewer where latents have less of them, which
        would never be drawn."""
        bank = self.bank(0)
        deficient = (int((~np.isfinite(bank.log_volume(k))).sum()) for k in range(self.k, 0, -5))
        return self.k - 5 * next(i for i, count in enumerate(deficient) if count <= DEFICIENT_SHARE * len(bank))

    def options(self, **law: Any) -> SamplerOptions:
        """How the experiments draw from a law: beyond the limits as well, and every row says so."""
        return SamplerOptions(k=self.drawn_k, label=self.label, force=True, **law)

    def rho_of(self, tilt: float) -> float:
        """The rho of a tilt on the first bank, to three digits."""
        volumes = self.bank(0).log_volume(self.drawn_k)
        return float(f"{tilt / volumes[np.isfinite(volumes)].std():.3g}")

    def limits(self) -> tuple[float, float]:
        """The lowest rho and the highest that all banks support."""
        found = [self.weighted(index, 0.0).diagnostics.limits for index in range(BANKS)]
        return max(each.lower for each in found), min(each.upper for each in found)

    def weighted(self, index: int, rho: float, **law: Any) -> WeightedBank:
        """Bank `index` at rho."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each row says whether it is within the limits
            return WeightedBank(self.bank(index), rho, self.options(**law), self.generator)

    def polarised(self, index: int, rho: float, **law: Any) -> tuple[np.ndarray, np.ndarray, Diagnostics]:
        """Rows that the rows of bank `index` become at rho, those of its control, and the diagnostics.

        The control draws with the same weights, permuted over the latents: the same repetitions, and no polarity.
        """
        found = self.weighted(index, rho, **law)
        weights = np.zeros(ROWS)
        inside = found.laws[self.label].inside
        weights[inside] = found.laws[self.label].weights.values
        permuted = np.random.default_rng(index).permutation(weights)
        return *(self._drawn(index, each) for each in (weights, permuted)), found.diagnostics

    def repetitions(self, rho: float, **law: Any) -> Callable[[int], np.ndarray]:
        """Rows that the control at rho takes of each bank: what truncation is given where it is compared with
        polarity, so that it repeats as much."""
        return [self.polarised(index, rho, **law)[1] for index in range(BANKS)].__getitem__

    def _drawn(self, index: int, weights: np.ndarray) -> np.ndarray:
        u = uniforms(self.bank(index).latent_hash, 2)
        return MaximalCoupling(weights).rows(np.arange(ROWS), u)


class Real:
    """Features of real images, by space: `ROWS` of them."""

    def __init__(self, scene: Scene, images: Tensor):
        maps = {space: pp.feature_map(scene.generator, space) for space in SPACES}
        with torch.no_grad():
            parts = {space: [phi(each) for each in images.split(BATCH)] for space, phi in maps.items()}
        self.features = {space: torch.cat(each) for space, each in parts.items()}
        self.moments = {space: Moments.of(each) for space, each in self.features.items()}

    @classmethod
    def test_digits(cls, scene: Scene) -> Real:
        """The test set, which no model has seen."""
        return cls(scene, grey("test"))

    @classmethod
    def coloured_digits(cls, scene: Scene, hues: str) -> Real:
        """The test set in colours."""
        return cls(scene, coloured("test", hues, seed=1))

    def figures(self, generated: Features) -> Figures:
        """Metrics of generated features [n, D], by space."""
        found = {}
        for space, features in generated.items():
            near = fidelity(self.features[space][:COMPARED], features[:COMPARED])
            found[space] = _named(frechet_distance(self.moments[space], features), near)
        return found

    def halves(self) -> Figures:
        """Compare one half of the data with the other: the figures of a perfect generator."""
        found = {}
        for space, features in self.features.items():
            first, second = features[::2], features[1::2]
            found[space] = _named(frechet_distance(first, second), fidelity(first, second))
        return found


def polarity_row(scene: Scene, real: Real, rho: float, **law: Any) -> dict[str, Any]:
    """Metrics at rho over all banks, those of the controls, their differences, and how far the row can be trusted."""
    drawn, controls, reports = [], [], []
    for index in range(BANKS):
        rows, permuted, report = scene.polarised(index, rho, **law)
        features = scene.features(index)
        drawn.append(real.figures({space: each[rows] for space, each in features.items()}))
        controls.append(
            drawn[-1] if rho == 0 else real.figures({space: each[permuted] for space, each in features.items()})
        )
        reports.append({**trust(report), "distinct": len(np.unique(rows))})
    return {
        "model": scene.model,
        "space": scene.space,
        "trunc": scene.generator.settings.trunc,
        "held": list(law.get("hold", ())),
        "k": scene.drawn_k,
        "rho": rho,
        **averaged(reports),
        "metrics": gathered(drawn),
        "control": gathered(controls),
        "effect": gathered(list(map(difference, drawn, controls))),
    }


def plain_row(scene: Scene, real: Real, rows_of: Callable[[int], np.ndarray] | None = None) -> dict[str, Any]:
    """Metrics of the model's own prior over as many sets of seeds as there are banks.

    Args:
        scene: no bank of it is looked at.
        real: to compare with.
        rows_of: which rows of each set, such as those of a control, for its repetitions; all where None.
    """
    found, distinct = [], []
    for index in range(BANKS):
        rows = np.arange(ROWS) if rows_of is None else rows_of(index)
        found.append(real.figures({space: each[rows] for space, each in scene.features(index).items()}))
        distinct.append(len(np.unique(rows)))
    trunc = scene.generator.settings.trunc
    return {"model": scene.model, "trunc": trunc, "distinct": float(np.mean(distinct)), "metrics": gathered(found)}


def trust(report: Diagnostics) -> dict[str, float]:
    """How far a bank's draws can be trusted."""
    return {
        "tilt": report.tilt,
        "ess": report.ess,
        "k_hat": report.k_hat,
        "within_limits": float(report.within_limits),
        "lower": report.limits.lower,
        "upper": report.limits.upper,
    }


def averaged(reports: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The means of what `trust` gives, over banks."""
    return {name: float(np.mean([each[name] for each in reports])) for name in reports[0]}


def gathered(found: Sequence[Figures]) -> dict[str, dict[str, Interval]]:
    """Means with their 95% intervals (Student's, over banks), by space and metric."""
    return {
        space: {name: interval([each[space][name] for each in found]) for name in metrics}
        for space, metrics in found[0].items()
    }


def interval(values: Sequence[float]) -> Interval:
    """Mean, half width of its 95% interval (Student's), standard deviation, and the values."""
    mean, n = float(np.mean(values)), len(values)
    std = float(np.std(values, ddof=1)) if n > 1 else 0.0
    half = float(student.ppf(0.975, n - 1) * std / n**0.5) if n > 1 else 0.0
    return {"mean": mean, "half": half, "std": std, "values": [float(f"{value:.6g}") for value in values]}


def minus(first: Interval, second: Interval) -> Interval:
    """The difference of two figures, bank by bank."""
    return interval([a - b for a, b in zip(first["values"], second["values"], strict=True)])


def _named(fid: float, near: Fidelity) -> dict[str, float]:
    return {
        "fid": fid,
        "precision": near.precision,
        "recall": near.recall,
        "density": near.density,
        "coverage": near.coverage,
    }


def difference(drawn: Figures, control: Figures) -> Figures:
    """Each metric of the draws less that of their control."""
    return {
        space: {name: value - control[space][name] for name, value in metrics.items()}
        for space, metrics in drawn.items()
    }


class Pieces:
    """Parts of an experiment that take long: made once, kept as JSON, and counted.

    Args:
        experiment: its name; in another edition of it the pieces are made again.

    Attributes:
        spent: CPU seconds of the pieces that were found made.
    """

    spent = 0.0

    def __init__(self, experiment: str):
        self._prefix = f"{experiment}-edition{edition_of(experiment)}"

    def __call__(self, scene: Scene, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The piece of that name, about a scene: of other weights there is another."""
        named = re.sub("[^a-z0-9.-]+", "-", f"{self._prefix}-{scene.about}-{ROWS}-{name}")
        path = CACHE / "pieces" / f"{named}.json"
        if path.exists():
            found = json.loads(path.read_text())
            Pieces.spent += found["seconds"]
        else:
            began = time.process_time()
            value = make()
            found = {"value": value, "seconds": time.process_time() - began}
            write_atomically(path, json.dumps(found).encode())
        return dict(found["value"])


def edition_of(name: str) -> int:
    """The edition of an experiment: its results change their meaning from one to the next."""
    return int(getattr(import_module(name), "EDITION", 1))


def experiment(name: str, figures: str, run: Callable[[bool], dict[str, Any]]) -> None:
    """The main of a script: runs, and writes ``results/NAME.json`` with the CPU minutes it took.

    Args:
        name: of the results.
        figures: of the paper, which it stands beside.
        run: takes whether it is only to be tried, and returns the results.
    """
    parser = argparse.ArgumentParser(description=f"The paper's {figures}; see the top of the script.")
    parser.add_argument("--quick", action="store_true", help="Two small banks: proves that it runs, writes nothing.")
    quick = parser.parse_args().quick
    if quick:
        global BANKS, ROWS, COMPARED, CACHE
        BANKS, ROWS, COMPARED, CACHE = 2, 300, 200, CACHE / "quick"
    started, edition = time.process_time(), edition_of(name)
    results = run(quick)
    minutes = round((time.process_time() - started + Pieces.spent) / 60, 1)
    words = ["git", "rev-parse", "HEAD"]
    document = {
        "experiment": name,
        "figures": figures,
        "edition": edition,
        "commit": subprocess.run(
            words, capture_output=True, text=True, check=True, cwd=RESULTS.parent
        ).stdout.strip(),
        "cpu_minutes": minutes,
        "banks": BANKS,
        "rows": ROWS,
        **results,
    }
    if not quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(_a_row_a_line(document))
    print(f"{name}: {minutes} CPU minutes")


def _a_row_a_line(document: dict[str, Any]) -> str:
    """JSON whose differences can be read: lists of rows have a line for each."""
    parts = []
    for key, value in document.items():
        rows = isinstance(value, list) and value and isinstance(value[0], dict)
        text = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]" if rows else json.dumps(value)
        parts.append(f" {json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
