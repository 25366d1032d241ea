"""What polarity does to the trained networks: the paper's protocol on each.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/trained/report.py [stylegan2_ada digits] ... [--quick]

All kept weights where none are named, each in a process of its own. Five banks of a network, of `ROWS` latents each:
the limits of rho, std(l), how l goes with contrast and brightness, what the engine does (the estimator that ``auto``
takes, passes a latent, the banks' audit, the surrogate's R²; beside them those of the same network with random
weights), precision, recall and Fréchet distance over rho with controls, and truncation beside it where the family has
one; of BigGAN-deep and StyleGAN3 by class. `stock_scripts.py` looks at what the stock scripts draw. Results:
``results/FAMILY-SET.json``, with the commit, the CPU seconds of the run, and the seconds that its banks took,
whichever run has made them: they are kept in the folder of `scene.CACHE`, and not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import torch
from apart import RESULTS, named
from polarprior.law.image_statistics import brightness, contrast
from polarprior.surrogate.surrogate import Surrogate
from polarprior.volume.calibration import Calibration
from polarprior.volume.estimators import AUTO, TOLERANCE
from quality import SPACES, model_of, real, seen
from sets import pictures
from weights import kept

sys.path.append(str(Path(__file__).parents[1] / "paper"))
import scene as shared
from scene import BATCH, K, Real, Scene, interval, plain_row, polarity_row

ROWS = {"stylegan2_ada": 10_000, "biggan_deep": 1_000, "stylegan3": 400, "progan": 4_000, "nvae": 4_000}
"""Latents of a bank; of BigGAN-deep and StyleGAN3, which have ten classes, a class."""
TILTS = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)
PSI = (("trunc", 0.5), ("trunc", 0.7), ("trunc", 0.9))
CUT = {
    "stylegan2_ada": PSI,
    "stylegan3": PSI,
    "biggan_deep": PSI,
    "nvae": tuple(("temperature", value) for value in (0.5, 0.85, 1.0)),
}
"""Truncation, where the family has one: psi, z_var, or the temperature, which is 0.7 else."""
LOOKED_AT = 2_000
"""Rows of a bank whose pictures are looked at for contrast and brightness, at most."""
DOMAINS = {"nvae": ("z", "top")}


def protocol(family: str, name: str) -> dict[str, Any]:
    """All figures of a network."""
    model, about = model_of(family, name), kept(family, name)[0]
    held_out = pictures(name, "test")
    images = seen(name)(real(name, "test"))
    found: dict[str, Any] = {"engine": [], "law": [], "polarity": [], "truncation": []}
    classes, domains = pp.load(model, "cpu").num_classes, DOMAINS.get(family, ("z",))
    trained = {domain: _calibrated(model, domain) for domain in domains}
    for label in range(classes) if classes else (None,):
        shown = images if label is None else images[torch.from_numpy(held_out.labels == label)]
        shared.COMPARED, scenes = min(5_000, len(shown), shared.ROWS), {}
        for domain in domains:
            asked = _asked(trained[domain])
            scene = Scene(model, label=label, seen=seen(name), domain=domain, estimator=asked)
            scenes[domain], real_ones = scene, Real(scene, shown)
            case = {"domain": domain, "class": label}
            if not label:
                found["engine"].append({**case, "weights": "trained", **_engine(scene, trained[domain])})
                before = model_of(family, name, random=True)
                random = _calibrated(before, domain)
                scene_before = Scene(before, label=label, domain=domain, estimator=_asked(random))
                found["engine"].append({**case, "weights": "random", **_engine(scene_before, random)})
            found["law"].append({**case, **_law(scene)})
            for tilt in TILTS:
                row = polarity_row(scene, real_ones, scene.rho_of(tilt))
                del row["model"]  # where it lies on this machine
                found["polarity"].append({**case, "asked": tilt, **row})
                print(f"{family}, {name}, {case}: tilt {tilt:g}", flush=True)
        cuts = CUT.get(family, ())
        repetitions = list(_repetitions(scenes)) if cuts else []
        for setting, value in cuts:
            cut = Scene(model, label=label, seen=seen(name), **{setting: value})
            about_cut = {"class": label, "setting": f"{setting} {value:g}"}
            for repeated, rows_of in (({}, None), *repetitions):
                row = plain_row(cut, real_ones, rows_of)
                del row["model"]
                found["truncation"].append({**about_cut, **repeated, **row})
    return {"family": family, "set": name, "weights": about["commit"], **found}


def _repetitions(scenes: dict[str, Scene]) -> Iterator[tuple[dict[str, Any], Callable[[int], np.ndarray]]]:
    """The repetitions of the controls at rho < 0, which truncation is given where it is compared with polarity."""
    for domain, scene in scenes.items():
        for tilt in (each for each in TILTS if each < 0):
            yield {"domain": domain, "repetitions of": tilt}, scene.repetitions(scene.rho_of(tilt))


def _calibrated(model: str, domain: str) -> Calibration:
    """What exact Jacobians of 200 latents tell of the estimators."""
    return pp.calibrate(pp.load(model, "cpu"), k=K, domain=domain, progress=True)


def _asked(found: Calibration) -> str:
    """The estimator that banks are asked for: ``auto``, which is not tried anew where it has taken ``exact``."""
    return "exact" if found.cheapest(TOLERANCE) == "exact" else AUTO


def _engine(scene: Scene, tried: Calibration) -> dict[str, Any]:
    """What the first bank says of its network's log-volume, and which estimator `auto` takes at what cost."""
    bank, generator = scene.bank(0), scene.generator
    volumes = bank.log_volume(scene.drawn_k)
    within = scene.weighted(0, 0.0).diagnostics.limits
    auto = tried.cheapest(TOLERANCE)
    return {
        "k": bank.info.k,
        "drawn_k": scene.drawn_k,
        "deficient": int((~np.isfinite(bank.log_volume())).sum()),
        "std": float(volumes[np.isfinite(volumes)].std()),
        "limits": [within.lower, within.upper],
        "ess": {tilt: scene.weighted(0, scene.rho_of(tilt)).diagnostics.ess for tilt in (-1.0, -0.5, 0.5, 1.0)},
        "surrogate_r2": Surrogate.fit(generator, bank, scene.drawn_k).r2(volumes),
        "auto": auto,
        "auto_error": tried.spread(auto),
        "passes": tried.passes[auto],
        "exact_passes": tried.passes["exact"],
        "seconds": tried.seconds[auto],
        "exact_seconds": tried.seconds["exact"],
        "accuracy": bank.info.accuracy(),
        "estimator": bank.info.estimator,
    }


def _law(scene: Scene) -> dict[str, Any]:
    """Spread of the log-volume over the banks, and how it goes with contrast and brightness in the first rows."""
    spreads, lights, contrasts = [], [], []
    for index in range(shared.BANKS):
        volumes = scene.bank(index).log_volume(scene.drawn_k)
        spreads.append(float(volumes[np.isfinite(volumes)].std()))
        volumes, first = volumes[:LOOKED_AT], index * shared.ROWS
        inside = np.isfinite(volumes)
        latents = scene.generator.prior.draw(range(first, first + len(volumes)), scene.label)
        parts = [scene.generator(latents[start : start + BATCH]) for start in range(0, len(latents), BATCH)]
        for statistic, values in ((brightness, lights), (contrast, contrasts)):
            seen_there = torch.cat([statistic(each) for each in parts]).numpy()
            values.append(float(np.corrcoef(volumes[inside], seen_there[inside])[0, 1]))
    return {
        "std": interval(spreads),
        "brightness": interval(lights),
        "contrast": interval(contrasts),
    }


def main() -> None:
    """Measure what is named, or all that is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="a family and a set, such as stylegan2_ada digits")
    parser.add_argument("--quick", action="store_true", help="two tiny banks: proves that it runs, writes nothing")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if not asked.here:
        for words in named(asked.what):
            command = [sys.executable, __file__, *words, "--here", *(["--quick"] if asked.quick else [])]
            subprocess.run(command, check=True)
        return
    family, name = asked.what
    shared.SPACES, shared.ROWS = SPACES[name], ROWS[family]
    if asked.quick:
        shared.BANKS, shared.ROWS, shared.CACHE = 2, 120, shared.CACHE / "quick"
    began = time.process_time()
    results = protocol(family, name)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    spent = round(time.process_time() - began, 1)
    about = {"commit": commit, "cpu_seconds": spent, "bank_seconds": round(Scene.bank_seconds, 1)}
    document = {**about, "banks": shared.BANKS, "rows": shared.ROWS, **results}
    if not asked.quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{family}-{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    print(f"{family}, {name}: {spent} CPU seconds")


if __name__ == "__main__":
    main()
