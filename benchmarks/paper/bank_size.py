"""What N and k do to the best FID, precision and recall: Fig. 2 and 9, Tab. 3 and 4 of the paper.

    python benchmarks/paper/bank_size.py [--quick]

On ``mnist:wgan`` in pixel space, from its five banks of 10,000: banks of 500 to 10,000 rows at k = 30, and k = 5 to
30 of 10,000 rows. A row is the best over the tilts inside the limits of that bank; that best is also taken over the
controls (the same weights, permuted), since a maximum over noise is larger than its mean.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scene as shared
from matplotlib.figure import Figure
from polarprior.hashing import uniforms
from polarprior.law.limits import rho_limits
from polarprior.law.weights import polarity_weights
from polarprior.samplers.coupling import MaximalCoupling
from scene import TILTS, K, Real, Scene, experiment, interval, minus
from telling import Results, shown, signed, table, verdict

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
    volumes = scene.bank(index).log_volume(k)[:size]
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


def tell(results: Results, pictures: Path) -> str:
    """A table, and curves against N and k."""
    names = ("lowest fid", "highest precision", "highest recall")
    rows = results["rows"]
    figure = Figure(figsize=(9, 5), layout="constrained")
    panels = figure.subplots(2, 3)
    full = max(row["n"] for row in rows)
    rank = max(row["k"] for row in rows)
    for line, (of, fixed) in zip(panels, (("n", "k"), ("k", "n")), strict=True):
        picked = sorted(
            [row for row in rows if row[fixed] == (rank if fixed == "k" else full)], key=lambda row: row[of]
        )
        for panel, name in zip(line, names, strict=True):
            for law, style in (("polarity", "-o"), ("control", ":s")):
                values = [row[f"{law} {name}"] for row in picked]
                x = [row[of] for row in picked]
                panel.errorbar(
                    x, [v["mean"] for v in values], [v["half"] for v in values], fmt=style, ms=3, label=law
                )
            panel.set(xlabel={"n": "N", "k": "k"}[of], title=name)
            panel.legend(fontsize=6)
    figure.savefig(pictures / "bank_size.png", dpi=110)
    cells = [
        (
            f"{row['n']}",
            f"{row['k']}",
            f"[{row['lower']['mean']:.3f}, {row['upper']['mean']:.3f}]",
            *tuple(shown(row[f"polarity {name}"]) for name in names),
            *tuple(shown(row[f"control {name}"]) for name in names),
        )
        for row in rows
    ]
    heads = ("N", "k", "limits of rho", *names, *(f"control's {name}" for name in names))
    smallest = min((row for row in rows if row["k"] == rank), key=lambda row: row["n"])
    largest = next(row for row in rows if row["k"] == rank and row["n"] == full)
    said = []
    for name, sign in zip(names, (-1, 1, 1), strict=True):
        gain, controls = (minus(largest[each], smallest[each]) for each in (f"polarity {name}", f"control {name}"))
        beyond = minus(gain, controls)
        said.append(
            f"- {name}, from N = {smallest['n']} to {full}: {signed(gain)} ({verdict(gain, sign)}); beyond what the "
            f"control gains by more images and wider limits: {signed(beyond)} ({verdict(beyond, sign)})"
        )
    lines = "\n".join(said)
    return (
        f"k near 40 can't be tried with 32 latent numbers.\n\n{lines}\n\n{table(heads, cells)}\n\n"
        "![Best figures against N and k](paper/bank_size.png)"
    )


if __name__ == "__main__":
    experiment("bank_size", "Fig. 2, 9, Tab. 3, 4", run)
