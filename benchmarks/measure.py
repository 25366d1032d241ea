"""What the metrics, the sweep and the paper's experiments have to show.

    python benchmarks/measure.py [--quick] [--full] [--json FILE]

Metrics against independent implementations on random features; precision and recall of 50,000 by 50,000 features in
a process of its own, for its memory; what `benchmarks/paper/` has in its results; with --full a sweep of the face
generator in EfficientNet's space, which takes ten minutes of two cores and keeps its row in ``results/measure.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from polarprior.metrics.frechet import frechet_distance
from polarprior.metrics.inception_score import inception_score
from polarprior.metrics.kernel import kernel_distance
from polarprior.metrics.manifold import fidelity
from polarprior.metrics.nearest import nearest
from polarprior.stock.shims.vision import import_torchvision_without_operators
from polarprior_benchmarks.reporting import Report

HERE = Path(__file__).parent
KEPT = HERE / "results" / "measure.json"
SWEEP = "sweep of the face generator, efficientnet-lite0, minutes"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5,000 features in place of 50,000.")
    parser.add_argument("--full", action="store_true", help="The sweep as well.")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    report = Report()
    _agreement(report)
    _memory(report, 5000 if asked.quick else 50_000)
    _sweep(report, asked.full)
    _paper(report)
    report.write(asked.json, HERE)


def _agreement(report: Report) -> None:
    import_torchvision_without_operators()
    import prdc
    import torchmetrics.image.fid
    import torchmetrics.image.inception
    import torchmetrics.image.kid
    from sklearn.neighbors import NearestNeighbors

    class Same(torch.nn.Module):
        num_features = 64

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.flatten(1)

    stream = torch.Generator().manual_seed(0)
    real, made = (
        torch.randn(1000, 64, generator=stream).double() + 3,
        torch.randn(1000, 64, generator=stream).double(),
    )
    images = torchmetrics.image

    def told(metric: torch.nn.Module, *sets: tuple[torch.Tensor, bool]) -> float:
        metric.set_dtype(torch.float64)
        for features, is_real in sets:
            metric.update(features[:, :, None, None], real=is_real)
        value = metric.compute()
        return float(value[0] if isinstance(value, tuple) else value)

    both = (real, True), (made, False)
    logits = 3 * torch.randn(1000, 10, generator=stream).double()
    score = images.inception.InceptionScore(torch.nn.Flatten(), splits=1)
    score.set_dtype(torch.float64)
    score.update(logits[:, :, None, None])
    oracle = prdc.compute_prdc(real.numpy(), (made + 2.9).numpy(), nearest_k=3)
    ours = fidelity(real, made + 2.9)
    found = NearestNeighbors(n_neighbors=3).fit(real.numpy()).kneighbors(made.numpy())[0]
    pairs = {
        "Fréchet distance, torchmetrics": (
            frechet_distance(real, made),
            told(images.fid.FrechetInceptionDistance(Same(), input_img_size=(64, 1, 1)), *both),
        ),
        "kernel distance, torchmetrics": (
            kernel_distance(real, made),
            told(images.kid.KernelInceptionDistance(Same(), subsets=1, subset_size=1000), *both),
        ),
        "Inception score, torchmetrics": (inception_score(logits), float(score.compute()[0])),
        **{f"{name}, prdc": (getattr(ours, name), oracle[name]) for name in ours._fields},
        "nearest distances, scikit-learn": (float(nearest(real, made).distances.sum()), float(found.sum())),
    }
    for name, (mine, other) in pairs.items():
        off = abs(mine - other) / abs(other)
        report.add(f"{name}: relative difference", off, "", "< 1e-6", off < 1e-6, f"{mine:.6g}")


def _memory(report: Report, count: int) -> None:
    code = (
        "import re, torch\n"
        "from pathlib import Path\n"
        "from polarprior.metrics.manifold import fidelity\n"
        "def kilobytes(name):\n"
        "    return int(re.search(name + r':\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        f"x = torch.randn({count}, 64, generator=torch.Generator().manual_seed(0))\n"
        "fidelity(x[:500], x[:400])\n"
        "Path('/proc/self/clear_refs').write_text('5')  # the peak so far is forgotten: Linux\n"
        "before = kilobytes('VmRSS')\n"
        "fidelity(x, x.flip(0))\n"
        "print(kilobytes('VmHWM') - before)\n"
    )
    started = time.perf_counter()
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    memory = int(told) * 1024 / 1e9
    what = f"precision and recall of {count} by {count}: memory beyond the features"
    report.add(what, memory, "GB", "< 1", memory < 1, f"{time.perf_counter() - started:.0f} s")


def _sweep(report: Report, again: bool) -> None:
    """The command that a user types, at its defaults."""
    if again:
        with tempfile.TemporaryDirectory() as folder:
            words = [
                sys.executable,
                "-m",
                "polarprior.cli",
                "sweep",
                "dcgan-faces",
                "--reference",
                "prior",
                "--out",
                folder,
            ]
            started = time.perf_counter()
            subprocess.run(words, check=True, capture_output=True)
            minutes = (time.perf_counter() - started) / 60
        KEPT.write_text(json.dumps({"minutes": round(minutes, 2)}, indent=1) + "\n")
    if not KEPT.exists():
        report.add(SWEEP, "not run", "", "<= 10", False, "--full")
        return
    kept = json.loads(KEPT.read_text())
    report.add(SWEEP, kept["minutes"], "min", "<= 10", kept["minutes"] <= 10, "at its defaults")


def _paper(report: Report) -> None:
    sys.path.insert(0, str(HERE / "paper"))
    from page import RESULTS as results
    from page import SECTIONS

    for name in [section.experiment for section in SECTIONS]:
        path = results / f"{name}.json"
        found = json.loads(path.read_text()) if path.exists() else None
        detail = f"{found['figures']}: {found['cpu_minutes']} CPU minutes" if found else "benchmarks/paper"
        report.add(
            f"the paper's experiments: {name}", "done" if found else "not run", "", "done", bool(found), detail
        )
    path = results / "pareto.json"
    if not path.exists():
        return
    pareto = json.loads(path.read_text())
    halves = next(iter(pareto["halves"].values()))["mnist:classifier"]
    report.add("FID of two halves of the MNIST test set (classifier's features)", halves["fid"])
    laws = {(row["model"], row["space"], tuple(row["held"])) for row in pareto["polarity"]}
    for model in sorted({law[0] for law in laws}):
        spaces = {law[1:] for law in laws if law[0] == model}
        bounds = {row["bound"] for row in pareto["truncation"] if row["model"] == model}
        widest = np.mean([row["metrics"]["mnist:classifier"]["recall"]["half"] for row in pareto["polarity"]])
        report.add(
            f"{model}: laws with a curve of precision and recall",
            len(spaces),
            "",
            "3",
            len(spaces) == 3 and len(bounds) > 3,
            f"against {len(bounds)} truncations, intervals of ± {widest:.3f} recall",
        )


if __name__ == "__main__":
    main()
