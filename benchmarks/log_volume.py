"""Every estimator of the log-volume against the paper's own, on the face DCGAN, interleaved in one run.

    python benchmarks/log_volume.py [--quick] [--json FILE]

The reference is the published way: the output projected on 128 fixed orthonormal rows, 128 VJPs one after the
other at batch 16, dense SVD. Times are CPU seconds of one thread a latent, medians over the repeats with their
spread; errors are those of the log-volume against the exact one, with the mean offset removed (a constant drops out
of the weights).
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polarprior as pp
import torch
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.estimators import ESTIMATORS
from polarprior.volume.paper_projection import projection
from scipy.stats import spearmanr
from torch import Tensor

K = 30
REFERENCE_BATCH, BATCH = 16, 4


def published_projection(generator: pp.Generator, z: Tensor) -> Tensor:
    """The log-volume as the published code computes it: a Python loop of 128 VJPs, then a dense SVD. float64 [n]."""
    z = z.clone().requires_grad_(True)
    projected = generator.synthesize(z, None).flatten(1)
    projected = projected @ projection(projected.shape[1], projected.dtype)
    rows = [torch.autograd.grad(projected[:, i].sum(), z, retain_graph=True)[0] for i in range(projected.shape[1])]
    return torch.linalg.svdvals(torch.stack(rows, 2))[:, :K].double().log().sum(1)


def cpu_seconds(function: Callable[[], Tensor]) -> tuple[float, float, Tensor]:
    """(CPU seconds, wall seconds, result) of one call."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = function()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def main() -> None:
    # Command line.
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute: fewer latents and repeats")
    parser.add_argument("--json", type=Path, help="write the rows here")
    options = parser.parse_args()
    latents_for_errors, calibration_size, repeats = (16, 20, 1) if options.quick else (64, 200, 5)

    # The model, its calibration, and the exact log-volumes.
    generator = pp.load("dcgan-faces", "cpu")
    jacobian_fn = pp.jacobian_fn(generator)
    latents = generator.prior.draw(range(latents_for_errors))
    with exact_arithmetic():
        calibration_seconds, _, calibration = cpu_seconds(
            lambda: pp.calibrate(generator, "pixel", K, calibration_size)  # type: ignore[arg-type, return-value]
        )

        def estimate(name: str) -> Callable[[], Tensor]:
            def run() -> Tensor:
                volumes = []
                for start in range(0, len(latents), BATCH):
                    linear_map = jacobian_fn(latents[start : start + BATCH])
                    spectrum = pp.top_singular_values(linear_map, K, calibration=calibration, estimator=name)
                    volumes.append(spectrum.log_volume)
                return torch.cat(volumes)

            return run

        def reference() -> Tensor:
            starts = range(0, len(latents), REFERENCE_BATCH)
            return torch.cat([published_projection(generator, latents.z[i : i + REFERENCE_BATCH]) for i in starts])

        # Interleaved: each repeat runs every rival once, a forward pass and a tangent pass among them.
        rivals: dict[str, Callable[[], Tensor]] = {"published loop": reference}
        rivals |= {name: estimate(name) for name in ESTIMATORS if name != "paper-power-iteration"}
        rivals["forward pass"] = lambda: generator(latents, batch_size=32)
        tangents = calibration.subspace[:, :40].expand(BATCH, -1, -1)
        rivals["40 tangents"] = lambda: jacobian_fn(latents[:BATCH]).jvp(tangents)
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in rivals}
        results: dict[str, Tensor] = {}
        for _ in range(repeats):
            for name, run in rivals.items():
                cpu, wall, results[name] = cpu_seconds(run)
                times[name].append((cpu, wall))

    # Errors and ratios.
    exact = results["exact"].numpy()
    rows = []
    per_latent = {name: np.median([cpu for cpu, _ in seen]) / len(latents) for name, seen in times.items()}
    base = per_latent["published loop"]
    errors = {
        name: (results[name].detach().numpy() - exact)
        for name in rivals
        if name not in ("forward pass", "40 tangents")
    }
    reference_error = errors["published loop"].std()
    print(
        f"face DCGAN, k {K}, {len(latents)} latents, {repeats} repeats; calibration {calibration_seconds:.1f} CPU s"
    )
    heads = ("estimator", "ms a latent", "spread", "times faster", "error std", "Spearman", "largest")
    print(("{:<18}" + "{:>13}" * 6).format(*heads))
    for name, error in errors.items():
        cpu = np.array([value for value, _ in times[name]]) / len(latents) * 1e3
        offset_free = error - error.mean()
        ratio = base / per_latent[name]
        rank = spearmanr(results[name].detach().numpy(), exact)[0]
        figures = (
            f"{np.median(cpu):.1f}",
            f"{cpu.min():.1f}-{cpu.max():.1f}",
            f"{ratio:.2f}",
            f"{error.std():.4f}",
            f"{rank:.4f}",
            f"{abs(offset_free).max():.4f}",
        )
        print(("{:<18}" + "{:>13}" * 6).format(name, *figures))
        rows.append({"what": f"dcgan {name}: times faster", "figure": ratio, "unit": "ratio", "detail": figures})
        rows.append({"what": f"dcgan {name}: error std", "figure": float(error.std()), "unit": "nats", "detail": ""})
    forward = per_latent["forward pass"]
    equivalents = np.median([cpu for cpu, _ in times["40 tangents"]]) / (40 * BATCH) / forward
    print(f"one tangent costs {equivalents:.2f} forward passes (batch 32)")

    # Goals.
    def best(limit: float) -> float:
        return max(base / per_latent[name] for name, error in errors.items() if error.std() <= limit)

    goals = [
        ("dcgan: fastest at an error no larger", best(reference_error), "times faster", 2.5),
        ("dcgan: fastest at a quarter of the error", best(reference_error / 4), "times faster", 2.0),
        ("dcgan: exact", base / per_latent["exact"], "times faster", 1.0),
    ]
    for what, figure, unit, goal in goals:
        rows.append({"what": what, "figure": figure, "unit": unit, "goal": goal, "holds": bool(figure >= goal)})
    figure = {"what": "dcgan: a tangent", "figure": equivalents, "unit": "forward passes", "goal": 1.2}
    rows.append({**figure, "holds": bool(equivalents <= 1.2)})
    for row in rows:
        if "goal" in row:
            verdict = "holds" if row["holds"] else "MISSED"
            print(f"{row['what']}: {row['figure']:.2f} {row['unit']}, goal {row['goal']}: {verdict}")
    if options.json:
        machine = {"cpu": platform.processor() or platform.machine(), "torch": torch.__version__, "threads": 1}
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
