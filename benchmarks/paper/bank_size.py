"""What N and k do to the best FID, precision and recall: Fig. 2 and 9, Tab. 3 and 4 of the paper.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/paper/bank_size.py [--quick]

Five banks of a model: of ``mnist:wgan``, whose latents have 32 numbers, 100,000 in pixel space, for N from 500 on at
k = 30; and of the trained StyleGAN2, whose latents have 128, 10,000 in pixel space and in the space of styles, with k
from 10 to 100. The generator of faces has no real pictures to be compared with. A row is the best over the tilts
inside the limits of that bank; that best is also taken over the controls (the same weights, permuted), since a
maximum over noise is larger than its mean, and since small banks repeat more. The lowest FID is that at a tilt other
than 0. With k there is besides the effect at a rho, the same for all k: what all banks support on either side at the
largest k.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scene as shared
from claims import Claim, Part
from matplotlib.figure import Figure
from polarprior.hashing import uniforms
from polarprior.law.limits import floor_to, rho_limits
from polarprior.law.weights import polarity_weights
from polarprior.samplers.coupling import MaximalCoupling
from scene import TILTS, K, Pieces, Real, Scene, experiment, interval, minus
from telling import JUDGED, Results, above, clear, shown, table
from trained_networks import trained_scene

EDITION = 2
DRAWN = 5000
BEST = {"lowest fid": -1, "highest precision": 1, "highest recall": 1}
"""What is looked for, and the sign of what is better."""
SETTLED = 50
"""The k from which on, says the paper, the effect of polarity is the same."""
BEST_K = 40
FAR_FROM_BEST = (10, 20, 80, 100)
"""Those that are not near it."""
NEGLIGIBLE = 0.02
"""A change of an effect on precision or recall that nobody would see in pictures."""


class Case(NamedTuple):
    """A model, the latents of its banks, and the N and k that are tried.

    Attributes:
        scene: makes it, with banks of the largest k.
        rows: of a bank.
        sizes: N, at the k of the others' last.
        ranks: k, at the largest N.
    """

    scene: Callable[[], Scene]
    rows: int
    sizes: tuple[int, ...]
    ranks: tuple[int, ...]


CASES = {
    "mnist:wgan": Case(
        partial(Scene, "mnist:wgan"), 100_000, (500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000), (K,)
    ),
    **{
        f"stylegan2_ada, {space}": Case(
            partial(trained_scene, "stylegan2_ada", space=space, k=100, estimator="exact"),
            10_000,
            (500, 1000, 2000, 5000, 10_000),
            (10, 20, 30, 40, 50, 60, 80, 100),
        )
        for space in ("pixel", "style")
    },
}
TRIED = Case(partial(Scene, "mnist:wgan"), 300, (100, 300), (10, 20, K))
"""What --quick runs."""


def run(quick: bool) -> dict[str, Any]:
    rows, pieces = [], Pieces("bank_size")
    for name, case in {"mnist:wgan": TRIED}.items() if quick else CASES.items():
        if not quick:
            shared.ROWS = case.rows
        scene = case.scene()
        real = Real.test_digits(scene)
        sizes = [size for size in case.sizes if size <= shared.ROWS]
        at = K if K in case.ranks else case.ranks[-1]
        for size, k in dict.fromkeys([*((size, at) for size in sizes), *((sizes[-1], k) for k in case.ranks)]):
            row = pieces(scene, f"{scene.space}-n{size}-k{k}", partial(_row, scene, real, size, k))
            rows.append({"model": name, "n": size, "k": k, **row})
            print(f"{name}, N {size}, k {k}: lowest FID {rows[-1]['polarity lowest fid']['mean']:.3f}", flush=True)
        if len(case.ranks) > 1:
            ends = rows[-1]  # at the largest k
            rhos = floor_to(max(ends["lower"]["values"])), floor_to(min(ends["upper"]["values"]))
            for row in (row for row in rows if (row["model"], row["n"]) == (name, sizes[-1])):
                made = partial(_at, scene, real, row["k"], rhos)
                row |= {"rhos": rhos, **pieces(scene, f"{scene.space}-at-k{row['k']}", made)}
    return {"rows": rows}


def _row(scene: Scene, real: Real, size: int, k: int) -> dict[str, Any]:
    found = [_best(scene, real, index, size, k) for index in range(shared.BANKS)]
    return {name: interval([each[name] for each in found]) for name in found[0]}


def _at(scene: Scene, real: Real, k: int, rhos: Sequence[float]) -> dict[str, Any]:
    """Effects on precision at the first rho and on recall at the second, of the law of k singular values."""
    found: dict[str, list[float]] = {"effect on precision": [], "effect on recall": []}
    for index in range(shared.BANKS):
        volumes, features = scene.bank(index).log_volume(k), scene.features(index)[JUDGED]
        for (name, values), rho in zip(found.items(), rhos, strict=True):
            drawn, control = (
                real.figures({JUDGED: features[rows]})[JUDGED] for rows in _drawn(volumes, rho, index, shared.ROWS)
            )
            metric = name.rpartition(" ")[2]
            values.append(drawn[metric] - control[metric])
    return {name: interval(values) for name, values in found.items()}


def _drawn(volumes: np.ndarray, rho: float, index: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that the first rows of a bank become at rho, so many, and those of the control."""
    weights = polarity_weights(volumes, rho).values
    permuted = np.random.default_rng(index).permutation(weights)
    incoming, keys = np.resize(np.arange(len(volumes)), count), uniforms(np.arange(count, dtype=np.int64), 2)
    first, second = (MaximalCoupling(each).rows(incoming, keys) for each in (weights, permuted))
    return first, second


def _best(scene: Scene, real: Real, index: int, size: int, k: int) -> dict[str, float]:
    """Best figures over the tilts within the limits of the first `size` rows, and those of the controls."""
    volumes = scene.bank(index).log_volume(k)[:size]
    limits, std = rho_limits(volumes), volumes[np.isfinite(volumes)].std()
    features = scene.features(index)[JUDGED][:size]
    tried: dict[str, list[dict[str, float]]] = {"polarity": [], "control": []}
    inside = {tilt / std for tilt in TILTS if limits.lower <= tilt / std <= limits.upper}
    rhos = sorted({*inside, limits.lower, limits.upper})
    for rho in rhos:
        for figures, drawn in zip(tried.values(), _drawn(volumes, rho, index, DRAWN), strict=True):
            figures.append(real.figures({JUDGED: features[drawn]})[JUDGED])
    best: dict[str, float] = {"lower": limits.lower, "upper": limits.upper, "std": float(std)}
    for name, figures in tried.items():
        best[f"{name} lowest fid"] = min(each["fid"] for each, rho in zip(figures, rhos, strict=True) if rho)
        best[f"{name} highest precision"] = max(each["precision"] for each in figures)
        best[f"{name} highest recall"] = max(each["recall"] for each in figures)
    return best


def _lines(rows: Sequence[Results]) -> dict[tuple[str, str], list[Results]]:
    """Rows along N, and along k, of each model that has several."""
    lines: dict[tuple[str, str], list[Results]] = {}
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        most = max(row["n"] for row in own)
        ranks = [row["k"] for row in own]
        at = max(ranks, key=ranks.count)
        lines[model, "N"] = sorted((row for row in own if row["k"] == at), key=lambda row: row["n"])
        along = sorted((row for row in own if row["n"] == most), key=lambda row: row["k"])
        if len(along) > 1:
            lines[model, "k"] = along
    return lines


def tell(results: Results, pictures: Path) -> str:
    """A table, and curves against N and k."""
    rows, lines = results["rows"], _lines(results["rows"])
    figure = Figure(figsize=(9, 2.6 * len(lines)), layout="constrained")
    panels = figure.subplots(len(lines), len(BEST), squeeze=False)
    for ((model, along), line), across in zip(lines.items(), panels, strict=True):
        for panel, name in zip(across, BEST, strict=True):
            x = [row[along.lower()] for row in line]
            for law, style in (("polarity", "-o"), ("control", ":s")):
                values = [row[f"{law} {name}"] for row in line]
                means, halves = ([value[part] for value in values] for part in ("mean", "half"))
                panel.errorbar(x, means, halves, fmt=style, ms=3, label=law)
            panel.set(xlabel=along, ylabel=name.replace("fid", "FID"), xscale="log" if along == "N" else "linear")
            panel.set_title(model, fontsize=9)
    panels[0, 0].legend(fontsize=6)
    figure.savefig(pictures / "bank_size.png", dpi=110)
    cells = [
        (
            row["model"],
            f"{row['n']}",
            f"{row['k']}",
            f"[{row['lower']['mean']:.3f}, {row['upper']['mean']:.3f}]",
            *(shown(row[f"{law} {name}"]) for law in ("polarity", "control") for name in BEST),
        )
        for row in rows
    ]
    heads = ("model", "N", "k", "limits of rho", *BEST, *(f"control's {name}" for name in BEST))
    return (
        "the best of what a bank can be asked for, over the tilts within its limits.\n\n"
        f"{table(heads, cells)}\n\n![Best figures against N and k](paper/bank_size.png)"
    )


def claims(results: Results) -> list[Claim]:
    """Fig. 2 and 9, Tab. 3 and 4."""
    raised, grown, growing, best, amplified, saturated = [], [], [], [], [], []
    for (model, along), line in _lines(results["rows"]).items():
        if along == "N":
            for name, sign in BEST.items():
                plain = {row["n"]: row[f"polarity {name}"] for row in line}
                beyond = {row["n"]: minus(row[f"polarity {name}"], row[f"control {name}"]) for row in line}
                first, *_, last = beyond
                for parts, of in ((raised, plain), (grown, beyond)):
                    parts.append(Part(f"{model}, {name}, N {last} less {first}", minus(of[last], of[first]), sign))
                if last == 100_000:
                    growing.append(Part(f"{model}, {name}", minus(beyond[last], beyond[50_000]), sign))
            continue
        at = {row["k"]: row for row in line}
        for k in FAR_FROM_BEST:
            worse = minus(at[k]["polarity lowest fid"], at[BEST_K]["polarity lowest fid"])
            best.append(Part(f"{model}, lowest FID at k {k} less {BEST_K}", worse, 1))
        for name in ("effect on precision", "effect on recall"):
            amplified.append(Part(f"{model}, {name}, k {SETTLED} less 10", minus(at[SETTLED][name], at[10][name]), 1))
            if clear(at[SETTLED][name]):
                for k in (each for each in at if each > SETTLED):
                    more = above(minus(at[k][name], at[SETTLED][name]), NEGLIGIBLE)
                    saturated.append(Part(f"{model}, {name}, k {k} less {SETTLED}", more, -1))
    best_of = "the best over all tilts within the limits"
    of = f"{best_of}, less the control's"
    at_rho = "effect on precision at the lowest rho of all k, and on recall at the highest"
    settled = f"the same, less {NEGLIGIBLE:g}, where the effect at k {SETTLED} is clear of 0"
    figures = "lowest FID, highest precision and highest recall"
    return [
        Claim("A.2", "Tab. 3", f"a bank's {figures} improve with its size N", best_of, tuple(raised)),
        Claim("A.2", "Tab. 3", f"what polarity adds to a bank's {figures} grows with N", of, tuple(grown)),
        Claim("3.3", "Fig. 2, 9", "what polarity adds still grows from N = 50,000 to 100,000", of, tuple(growing)),
        Claim(
            "3.3",
            "Fig. 2, 9",
            "a bank's figures settle near N = 200,000 to 300,000",
            "such banks are not built here",
        ),
        Claim("3.3", "Fig. 2, Tab. 4", "k near 40 has the lowest FID", best_of, tuple(best)),
        Claim("A.2", "Fig. 9", "more singular values make polarity stronger at a rho", at_rho, tuple(amplified)),
        Claim("A.2", "Fig. 9", "more than 50 singular values make it no stronger", settled, tuple(saturated)),
    ]


if __name__ == "__main__":
    experiment("bank_size", "Fig. 2, 9, Tab. 3, 4", run)
