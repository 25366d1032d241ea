"""What N and k do to the best FID, precision and recall: Fig. 2 and 9, Tab. 3 and 4 of the paper.

    python benchmarks/paper/bank_size.py [--quick]

On ``mnist:wgan`` in pixel space, from its five banks of 10,000: banks of 500 to 10,000 rows at k = 30, and k = 5 to
30 of 10,000 rows. A row is the best over the tilts inside the limits of that bank; that best is also taken over the
controls (the same weights, permuted), since a maximum over noise is larger than its mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scene as shared
from polarprior.hashing import uniforms
from polarprior.law.limits import rho_limits
from polarprior.law.weights import polarity_weights
from polarprior.prior.coupling import MaximalCoupling
from scene import TILTS, K, Real, Scene, experiment, interval

SIZES, RANKS = (500, 1000, 2000, 5000, 10_000), (5, 10, 15, 20, 25, 30)
SPACE = "mnist:classifier"
DRAWN = 5000


def run(quick: bool) -> dict[str, Any]:
    scene = Scene("mnist:wgan")
    real = Real.test_digits(scene)
    rows = []
    for size, k in [*((size, K) for size in SIZES), *((shared.ROWS, k) for k in RANKS[:-1])]:
        if size > shared.ROWS:
            continue
        found = [_best(scene, real, index, size, k) for index in range(shared.BANKS)]
        row: dict[str, Any] = {"n": size, "k": k}
        for name in found[0]:
            row[name] = interval([each[name] for each in found])
        rows.append(row)
        print(f"N {size}, k {k}: " + ", ".join(f"{name} {row[name]['mean']:.3f}" for name in found[0]), flush=True)
    return {"halves": real.halves()[SPACE], "rows": rows}


def _best(scene: Scene, real: Real, index: int, size: int, k: int) -> dict[str, float]:
    """Best figures over the tilts within the limits of the first `size` rows, and those of the controls."""
    volumes = scene.banks[index].log_volume(k)[:size]
    limits, std = rho_limits(volumes), volumes[np.isfinite(volumes)].std()
    features = scene.features(index)[SPACE][:size]
    tried: dict[str, list[dict[str, float]]] = {"polarity": [], "control": []}
    rhos = [tilt / std for tilt in TILTS if limits.lower <= tilt / std <= limits.upper]
    for rho in sorted({*rhos, limits.lower, limits.upper}):
        weights = polarity_weights(volumes, rho).values
        permuted = np.random.default_rng(index).permutation(weights)
        incoming = np.resize(np.arange(size), DRAWN)
        keys = uniforms(np.arange(DRAWN, dtype=np.int64), 2)
        for name, each in (("polarity", weights), ("control", permuted)):
            drawn = MaximalCoupling(each).rows(incoming, keys)
            tried[name].append(real.figures({SPACE: features[drawn]})[SPACE])
    best: dict[str, float] = {"lower": limits.lower, "upper": limits.upper, "std": float(std)}
    for name, figures in tried.items():
        best[f"{name} lowest fid"] = min(each["fid"] for each in figures)
        best[f"{name} highest precision"] = max(each["precision"] for each in figures)
        best[f"{name} highest recall"] = max(each["recall"] for each in figures)
    return best


if __name__ == "__main__":
    experiment("bank_size", "Fig. 2, 9, Tab. 3, 4", run)
