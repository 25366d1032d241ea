"""Singular values and the Marchenko-Pastur law: Fig. 13 of the paper.

    python benchmarks/paper/spectra.py [--quick]

The squared singular values of the Jacobians of ``mnist:wgan`` and of the face DCGAN's own bank, which hold the top k
of K, against the upper k/K of the Marchenko-Pastur law of the best ratio and scale. The paper draws the fit and gives
no figure for it: here it is the Kolmogorov-Smirnov distance, beside those of normal matrices of the model's shape,
whose top k are fitted the same way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
from polarprior.bank.bank import Bank
from scene import Scene, experiment
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import minimize_scalar
from telling import Results, table

GRID = 4001
MATRICES, POOLS = 100, 20
"""Random matrices in a pool, and pools."""


def run(quick: bool) -> dict[str, Any]:
    faces = pp.load("dcgan-faces", "cpu")
    sources = [(Scene("mnist:wgan").generator, Scene("mnist:wgan").bank(0)), (faces, Bank.open(faces.default_bank))]
    rows = []
    for generator, bank in sources:
        logs = np.array(bank.log_singular_values)
        inputs = generator.prior.dim
        outputs = int(np.prod(generator(generator.prior.draw([0])).shape[1:]))
        values = np.exp(2 * logs.astype(np.float64))
        distance, ratio = _fit(values[:MATRICES].ravel(), bank.info.k / inputs)
        stream = np.random.default_rng(0)
        pools = 3 if quick else POOLS
        random = [
            _fit(_random(inputs, outputs, bank.info.k, stream).ravel(), bank.info.k / inputs) for _ in range(pools)
        ]
        rows.append(
            {
                "model": generator.source,
                "k": bank.info.k,
                "inputs": inputs,
                "outputs": outputs,
                "ratio": ratio,
                "distance": distance,
                "of random matrices": [each[0] for each in random],
                "ratios of random matrices": [each[1] for each in random],
                "mean_log_sigma": logs.mean(0).tolist(),
                "std_log_sigma": logs.std(0).tolist(),
            }
        )
        print(f"{rows[-1]['model']}: Kolmogorov-Smirnov distance {distance:.3f}, ratio {ratio:.3f}; ", end="")
        print(f"of random matrices {max(rows[-1]['of random matrices']):.3f} at most", flush=True)
    return {"rows": rows, "bounds": BOUNDS}


BOUNDS = (1e-3, 1.0)
"""The range in which the ratio is searched."""


def _fit(values: np.ndarray, upper: float) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance from the nearest upper part of a Marchenko-Pastur law, and its ratio.

    Args:
        values: of any scale.
        upper: share of the law that they are the top of.
    """
    values = np.sort(values / values.mean())
    empirical = (np.arange(len(values)) + 0.5) / len(values)

    def distance(ratio: float) -> float:
        return float(np.abs(_cumulative(values, ratio, upper) - empirical).max())

    coarse = np.geomspace(*BOUNDS, 60)
    nearest = int(np.argmin([distance(ratio) for ratio in coarse]))
    low, high = coarse[max(nearest - 1, 0)], coarse[min(nearest + 1, len(coarse) - 1)]
    best = minimize_scalar(distance, bounds=(low, high), method="bounded")
    return float(best.fun), float(best.x)


def _cumulative(values: np.ndarray, ratio: float, upper: float) -> np.ndarray:
    """Distribution function of the upper part of the Marchenko-Pastur law, scaled to a mean of 1."""
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    x = low + (high - low) * np.linspace(0, 1, GRID) ** 2  # dense where the density is steep
    density = np.sqrt(np.clip((high - x) * (x - low), 0, None)) / (2 * np.pi * ratio * np.clip(x, 1e-12, None))
    reached = cumulative_trapezoid(density, x, initial=0)
    part = np.clip((reached / reached[-1] - (1 - upper)) / upper, 0, None)
    mean = float(np.sum((x[1:] + x[:-1]) / 2 * np.diff(part)))
    return np.interp(values, x / mean, part, left=0, right=1)


def _random(inputs: int, outputs: int, k: int, stream: np.random.Generator) -> np.ndarray:
    """Squares of the top k singular values of normal matrices [outputs, inputs], [MATRICES, k].

    Those of its factor R, whose diagonal is chi and whose upper part is normal (Bartlett 1933).
    """
    found = []
    for _ in range(MATRICES):
        factor = np.triu(stream.standard_normal((inputs, inputs)), 1)
        factor += np.diag(stream.chisquare(outputs - np.arange(inputs)) ** 0.5)
        found.append(np.linalg.svd(factor, compute_uv=False)[:k] ** 2)
    return np.stack(found)


def tell(results: Results, pictures: Path) -> str:
    """The fit."""
    cells = []
    low, high = results["bounds"]
    for row in results["rows"]:
        random = row["of random matrices"]
        edge = " (the bound)" if not 1.05 * low < row["ratio"] < high / 1.05 else ""
        cells.append(
            (
                row["model"],
                f"{row['k']} of {row['inputs']}",
                f"{row['inputs'] / row['outputs']:.3f}",
                f"{row['ratio']:.3f}{edge}",
                f"{row['distance']:.3f}",
                f"{np.mean(random):.3f}, {max(random):.3f} at most",
                "disagrees" if row["distance"] > max(random) else "agrees",
            )
        )
    heads = (
        "model",
        "singular values",
        "inputs / outputs",
        "best ratio",
        "distance",
        "of normal matrices",
        "verdict",
    )
    return (
        "the verdict is whether the distance is no larger than the largest of "
        f"{len(results['rows'][0]['of random matrices'])} sets of normal matrices of that shape."
        f"\n\n{table(heads, cells)}"
    )


if __name__ == "__main__":
    experiment("spectra", "Fig. 13", run)
