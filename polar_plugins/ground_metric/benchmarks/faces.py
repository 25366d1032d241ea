"""Polarity of the face generator in a ground metric learnt on EfficientNet's features, beside those features and the
pixels; run by `runs.py`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import polarprior as pp
from polarprior.plugin import Bank, user_cache
from polarprior_benchmarks.reporting import Report
from polarprior_benchmarks.typed import typed
from polarprior_ground_metric.metric_file import MetricFile
from scipy.stats import spearmanr

MODEL, FEATURES, K, N = "dcgan-faces", "perceptual:efficientnet-lite0", 10, 300
CACHE = (user_cache() or Path("cache")) / "ground-metric"
PICTURE = Path(__file__).parents[1] / "docs" / "sweep.png"
SHARE = 0.1


def ranked(quick: bool) -> dict[str, Any]:
    """The metric, made by the command that a user types; a bank in it and one in the plain features; how both rank
    the same latents; and a sweep's picture, which --quick doesn't draw."""
    folder, n = (Path(tempfile.mkdtemp()), 4) if quick else (CACHE, N)
    folder.mkdir(parents=True, exist_ok=True)
    metric, seconds = folder / "faces.safetensors", {}
    if not metric.exists():
        small = ["--images", "24", "--components", "12"] if quick else []
        seconds["metric"] = typed("train", "ground-metric", MODEL, "--space", FEATURES, "--out", metric, *small)
    spaces = {"learnt": f"ground-metric:{metric}", "features": FEATURES}
    for name, space in spaces.items():
        out = folder / f"faces-{name}.safetensors"
        if not out.exists():
            seconds[name] = typed("bank", "build", MODEL, "-n", n, "-k", K, "--space", space, "--out", out)
    banks = {name: Bank.open(folder / f"faces-{name}.safetensors") for name in spaces}
    banks["pixel"] = Bank.open(pp.load(MODEL, "cpu").default_bank)
    volumes = {name: bank.log_volume(K)[:n] for name, bank in banks.items()}
    if not quick:
        typed("sweep", MODEL, "--bank", folder / "faces-learnt.safetensors", "--out", folder / "sweep")
        shutil.copy(folder / "sweep" / "sweep.png", PICTURE)
    learnt = MetricFile.open(metric).metric
    few = max(1, int(SHARE * n))
    pairs = {}
    for one, other in (("learnt", "features"), ("learnt", "pixel"), ("features", "pixel")):
        ends = [[set(volumes[name].argsort()[::step][:few]) for name in (one, other)] for step in (1, -1)]
        pairs[f"{one}, {other}"] = {
            "spearman": round(float(spearmanr(volumes[one], volumes[other])[0]), 4),
            "modes": round(len(ends[0][0] & ends[0][1]) / few, 3),
            "anti-modes": round(len(ends[1][0] & ends[1][1]) / few, 3),
        }
    return {
        "latents": n,
        "cpu_seconds": seconds,
        "precision": [round(each.accuracy, 4) for each in (learnt.tried_[0], learnt.chosen_)],
        "std": {name: round(float(each.std()), 3) for name, each in volumes.items()},
        "pairs": pairs,
    }


def tell(found: dict[str, Any] | None, report: Report) -> None:
    """Its rows."""
    if found is None:
        report.add("faces", "not run", detail="--full")
        return
    plain, best = found["precision"]
    report.add("faces: R-precision on images held out", best, detail=f"{plain} with M = I")
    report.add("faces: std of log-volumes", found["std"]["learnt"], "nats", detail=str(found["std"]))
    for pair, each in found["pairs"].items():
        detail = f"of the tenth at each end they share {each['modes']:.0%} (modes), {each['anti-modes']:.0%}"
        report.add(f"faces: rank correlation of {pair}", each["spearman"], detail=detail)
