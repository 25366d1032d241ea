"""Singular values and the Marchenko-Pastur law: Fig. 13 of the paper.

    python benchmarks/paper/spectra.py [--quick]

The squared singular values of the Jacobians of ``mnist:wgan`` and of the face DCGAN's own bank, scaled to a mean of
1, against the Marchenko-Pastur law of the best ratio. The paper draws the fit and gives no figure for it: here it is
the Kolmogorov-Smirnov distance, beside that of the same values of random matrices of that shape.
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


def run(quick: bool) -> dict[str, Any]:
    faces = pp.load("dcgan-faces", "cpu")
    sources = {"mnist:wgan": Scene("mnist:wgan").banks[0], "dcgan-faces": Bank.open(faces.default_bank)}
    rows = []
    for model, bank in sources.items():
        logs = np.array(bank.log_singular_values)
        values = np.exp(2 * logs.astype(np.float64))
        values /= values.mean()
        distance, ratio = _fit(values.ravel())
        random = _random(len(values), bank.info.k, ratio)
        rows.append(
            {
                "model": model,
                "k": bank.info.k,
                "ratio": ratio,
                "distance": distance,
                "distance_of_random_matrices": _fit(random)[0],
                "mean_log_sigma": logs.mean(0).tolist(),
                "std_log_sigma": logs.std(0).tolist(),
                "histogram": np.histogram(values.ravel(), bins=np.linspace(0, 6, 61), density=True)[0].tolist(),
            }
        )
        print(f"{model}: Kolmogorov-Smirnov distance {distance:.3f} from the law of ratio {ratio:.3f}; ", end="")
        print(f"of random matrices {rows[-1]['distance_of_random_matrices']:.3f}", flush=True)
    return {"rows": rows}


def _fit(values: np.ndarray) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance from the nearest Marchenko-Pastur law, and its ratio."""
    values = np.sort(values)
    empirical = (np.arange(len(values)) + 0.5) / len(values)

    def distance(ratio: float) -> float:
        return float(np.abs(_cumulative(values, ratio) - empirical).max())

    best = minimize_scalar(distance, bounds=(0.01, 0.99), method="bounded")
    return float(best.fun), float(best.x)


def _cumulative(values: np.ndarray, ratio: float) -> np.ndarray:
    """Distribution function of the Marchenko-Pastur law of mean 1."""
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    x = np.linspace(low, high, GRID)
    density = np.sqrt(np.clip((high - x) * (x - low), 0, None)) / (2 * np.pi * ratio * x)
    reached = cumulative_trapezoid(density, x, initial=0)
    return np.interp(values, x, reached / reached[-1], left=0, right=1)


def _random(matrices: int, k: int, ratio: float) -> np.ndarray:
    """Squared singular values of normal matrices with k columns and k / ratio rows, scaled to a mean of 1."""
    stream = np.random.default_rng(0)
    rows = max(k, round(k / ratio))
    found = [
        np.linalg.svd(stream.standard_normal((rows, k)), compute_uv=False) ** 2 for _ in range(min(matrices, 500))
    ]
    values = np.concatenate(found)
    return values / values.mean()


def tell(results: Results, pictures: Path) -> str:
    """The fit."""
    cells = [
        (
            row["model"],
            f"{row['k']}",
            f"{row['ratio']:.3f}",
            f"{row['distance']:.3f}",
            f"{row['distance_of_random_matrices']:.3f}",
        )
        for row in results["rows"]
    ]
    heads = ("model", "k", "best ratio", "distance of the Jacobians", "of random matrices of that ratio")
    worst = min(row["distance"] / row["distance_of_random_matrices"] for row in results["rows"])
    return (
        f"disagrees: the squared singular values are {worst:.0f} times as far from the best Marchenko-Pastur law "
        f"as those of "
        f"random matrices are (Kolmogorov-Smirnov).\n\n{table(heads, cells)}"
    )


if __name__ == "__main__":
    experiment("spectra", "Fig. 13", run)
