"""Singular values and the Marchenko-Pastur law: Fig. 13 of the paper.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/paper/spectra.py [--quick]

All squared singular values of the Jacobians of the trained StyleGAN2 and BigGAN-deep (one class), which are the
paper's two families, of ``mnist:wgan`` and of the face DCGAN, against the Marchenko-Pastur law of the best ratio and
scale; and the top 30 of them against the upper part of the law. The paper draws the fit and gives no figure for it:
here it is the Kolmogorov-Smirnov distance, beside those of normal matrices of the network's shape, fitted the same
way. Beside it the logarithms of the singular values of draws at several rho.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polarprior as pp
import scene as shared
from claims import Claim, Part
from matplotlib.figure import Figure
from polarprior.law.weights import polarity_weights
from scene import Scene, experiment, interval
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import minimize_scalar
from telling import Results, shown, table
from trained_networks import trained_scene

EDITION = 2
GRID = 4001
MATRICES, POOLS = 100, 20
"""Matrices of a pool, and pools of random ones."""
TOP = 30
TILTS = (-1.0, -0.5, 0.0, 0.5, 1.0)
FEWEST = 50
"""Effective sample size of a histogram, at least."""
BINS = np.linspace(-12, 8, 201)


def run(quick: bool) -> dict[str, Any]:
    shared.ROWS = MATRICES * shared.BANKS
    rows = []
    for scene in _scenes(quick):
        bank = pp.build_bank(
            scene.generator,
            shared.ROWS,
            scene.generator.rank_bound,
            classes=None if scene.label is None else [scene.label],
            estimator="exact",
            progress=True,
        )
        logs = np.array(bank.log_singular_values, dtype=np.float64)
        outputs = int(np.prod(scene.generator(scene.generator.prior.draw([0], scene.label)).shape[1:]))
        row: dict[str, Any] = {"model": scene.model.partition(":/")[0], "inputs": logs.shape[1], "outputs": outputs}
        for k in (logs.shape[1], TOP):
            stream, pools = np.random.default_rng(0), 3 if quick else POOLS
            fits = [_fit(np.exp(2 * part[:, :k]).ravel(), k / logs.shape[1]) for part in np.split(logs, shared.BANKS)]
            random = [
                _fit(_random(logs.shape[1], outputs, k, stream).ravel(), k / logs.shape[1]) for _ in range(pools)
            ]
            row[f"top {k}" if k == TOP else "all"] = {
                "distance": interval([each[0] for each in fits]),
                "ratio": interval([each[1] for each in fits]),
                "of random matrices": [each[0] for each in random],
            }
        rows.append({**row, "histograms": _histograms(logs)})
        print(f"{row['model']}: distance {row['all']['distance']['mean']:.3f}", flush=True)
    return {"rows": rows, "bounds": BOUNDS, "bins": BINS.tolist()}


def _scenes(quick: bool) -> list[Scene]:
    """The networks."""
    small = [Scene("mnist:wgan")]
    return small if quick else [*small, Scene("dcgan-faces"), *map(_trained, ("stylegan2_ada", "biggan_deep"))]


def _trained(family: str) -> Scene:
    return trained_scene(family, label=0 if family == "biggan_deep" else None)


def _histograms(logs: np.ndarray) -> dict[str, list[float]]:
    """Shares of log sigma between `BINS` in draws at a tilt, weighted by the top ones; tilts that too
    few latents speak for are left out."""
    volumes, found = logs[:, :TOP].sum(1), {}
    for tilt in TILTS:
        weights = polarity_weights(volumes, tilt / volumes[np.isfinite(volumes)].std())
        if weights.ess >= FEWEST:
            every = np.repeat(weights.values[:, None], logs.shape[1], 1)
            counts = np.histogram(logs, BINS, weights=every)[0]
            found[f"{tilt:g}"] = (counts / counts.sum()).round(6).tolist()
    return found


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
    """The fits, and the singular values of draws."""
    figure = Figure(figsize=(3.4 * len(results["rows"]), 3), layout="constrained")
    middles = [(low + high) / 2 for low, high in zip(results["bins"], results["bins"][1:], strict=False)]
    cells = []
    for row, panel in zip(results["rows"], figure.subplots(1, len(results["rows"]), squeeze=False)[0], strict=True):
        name = row["model"]
        for tilt, shares in row["histograms"].items():
            seen = [(x, y) for x, y in zip(middles, shares, strict=True) if y]
            panel.plot(*zip(*seen, strict=True), lw=1, label=f"tilt {tilt}")
        panel.set(title=name, xlabel="log singular value")
        for part in ("all", f"top {TOP}"):
            fit = row[part]
            random = fit["of random matrices"]
            about = (name, f"{part} of {row['inputs']}", f"{row['inputs'] / row['outputs']:.3f}")
            cells.append((*about, shown(fit["ratio"]), shown(fit["distance"]), f"{max(random):.3f}"))
    figure.axes[0].legend(fontsize=6)
    figure.savefig(pictures / "spectra.png", dpi=110)
    heads = ("model", "singular values", "inputs / outputs", "best ratio", "distance", "of normal matrices, at most")
    return (
        f"five sets of {MATRICES} latents of a network; a best ratio of 1 is the end of the search.\n\n"
        f"{table(heads, cells)}\n\n![Singular values of draws at several tilts](paper/spectra.png)"
    )


def claims(results: Results) -> list[Claim]:
    """Fig. 13."""
    parts = []
    for row in results["rows"]:
        fit = row["all"]
        beyond = [value - max(fit["of random matrices"]) for value in fit["distance"]["values"]]
        parts.append(Part(row["model"], interval(beyond), -1))
    by = f"Kolmogorov-Smirnov distance from the nearest law, less the largest of {POOLS} sets of normal matrices"
    return [Claim("A.2", "Fig. 13", "singular values follow a Marchenko-Pastur law", by, tuple(parts))]


if __name__ == "__main__":
    experiment("spectra", "Fig. 13", run)
