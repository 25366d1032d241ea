"""How exactly and how fast transport problems are solved together, beside POT's solvers one by one; run by `runs.py`.

Under a learnt metric as well as under M = I: what a metric has moved far apart is harder to solve.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import ot
from digits_and_videos import samples, signatures
from polarprior_benchmarks.kept_runs import Runs
from polarprior_benchmarks.reporting import Report
from polarprior_ground_metric.distances import TOLERANCE, ground_costs, solve
from polarprior_ground_metric.metric import MultiLevelMetric
from polarprior_ground_metric.signatures import Signatures
from rivals import alone_of
from scipy.special import entr
from settings import NEIGHBOURS, OF_ALL, SEEDS

PROBLEMS, MOST_SCALINGS = 500, 100_000
COMPARED = 400
"""Pairs a seed whose distances under a learnt metric are compared with POT's."""
CLOSE, EXACT = 1e-3, 1e-6
"""How near to POT's distances ours are to be, and POT's own tolerance there."""


def transport(runs: Runs, report: Report) -> None:
    """Distances under a learnt metric beside those of POT's log-domain solver."""
    made = runs.over(SEEDS, lambda seed: f"transport, seed {seed}", lambda seed: _exactness(seed, runs.quick))
    if not made:
        report.add("transport", "not run", detail="--full")
        return
    away = np.concatenate([each["away"] for each in made])
    within, worst = float((away <= CLOSE).mean()), f"the furthest is {away.max():.1e} away, of {len(away)}"
    report.add("learnt: distances within 0.001 of POT's", within, "", ">= 0.999", within >= 0.999, worst)
    missed = max(each["unsolved"] for each in made)
    report.add(
        "learnt: problems of a fit that miss their tolerance", missed, "", detail="the largest share of a seed"
    )


def _exactness(seed: int, quick: bool) -> dict[str, Any]:
    """Learn from shifted digits, and compare the distances of some pairs with POT's."""
    metric, given = _learnt(seed, quick)
    pairs = np.random.default_rng(seed).integers(0, len(given), (2, 20 if quick else COMPARED))
    p, q = (given[each] for each in pairs)
    ours = solve(p, q, metric.gamma_).value.double().numpy()
    away = []
    for own, (i, j) in zip(ours, pairs.T, strict=True):
        a, b, cost = _problem(given, i, j)
        limits = {"method": "sinkhorn_log", "stopThr": EXACT, "numItermax": MOST_SCALINGS}
        plan = ot.sinkhorn(a, b, cost, metric.gamma_, **limits)
        away.append(abs(float((plan * cost).sum() - metric.gamma_ * entr(plan).sum()) - float(own)))
    return {"unsolved": metric.unsolved_, "gamma": metric.gamma_, "away": np.round(away, 7).tolist()}


def _learnt(seed: int, quick: bool) -> tuple[MultiLevelMetric, Signatures]:
    """A metric of one matrix, learnt from shifted digits, and these, mapped to where it is Euclidean distance."""
    (train, y), _ = samples("digits", True, seed, quick)
    given = signatures("digits", train, train)[0]
    changes: dict[str, Any] = {"rounds": 1} if quick else {}
    metric = MultiLevelMetric(NEIGHBOURS, seed=seed, rho_0=OF_ALL, rho_t=(), **changes).fit(given, y)
    return metric, metric.transform(given)


def speed(runs: Runs, report: Report) -> None:
    """The same problems at once, as they are when a metric is learnt, and one by one by POT, to the same errors."""
    for where in ("M = I", "learnt"):
        found = runs(f"time, {where}", partial(_times, where == "learnt", runs.quick))
        if found is None:
            report.add(f"time, {where}", "not run", detail="--full")
            continue
        for method in ("sinkhorn", "sinkhorn_log"):
            gain = found[method] / found["ours"]
            goals = (">= 20", gain >= 20) if method == "sinkhorn_log" or where == "M = I" else ("", None)
            detail = (
                f"{found[method] * 1e3:.3f} ms a problem, ours {found['ours'] * 1e3:.4f}; {found['apart'][method]}"
            )
            report.add(f"{where}: time of POT's {method} to ours", gain, "times", *goals, detail)


def _times(learnt: bool, quick: bool) -> dict[str, Any]:
    (train, _), _ = samples("digits", True, 0, quick)
    given = signatures("digits", train, train)[0]
    pairs = np.random.default_rng(0).integers(0, len(given), (2, 20 if quick else PROBLEMS))
    gamma = 0.05 * float(ground_costs(*(given[each] for each in pairs)).mean())
    if learnt:
        metric, given = _learnt(0, quick)
        gamma = metric.gamma_
    p, q = (given[each] for each in pairs)
    alone = [_problem(given, i, j) for i, j in pairs.T]
    times: dict[str, list[float]] = {"ours": [], "sinkhorn": [], "sinkhorn_log": []}
    apart = {}
    for _ in range(3):
        began = time.process_time()
        ours = solve(p, q, gamma).value.numpy()
        times["ours"].append(time.process_time() - began)
        for method in ("sinkhorn", "sinkhorn_log"):
            limits = {"method": method, "stopThr": TOLERANCE, "numItermax": MOST_SCALINGS}
            began = time.process_time()
            plans = [ot.sinkhorn(a, b, cost, gamma, **limits) for a, b, cost in alone]
            times[method].append(time.process_time() - began)
            values = [(f * cost).sum() - gamma * entr(f).sum() for f, (_, _, cost) in zip(plans, alone, strict=True)]
            apart[method] = f"values differ by {np.abs(values - ours).max():.1e} at most"
    each = {method: min(found) / len(alone) for method, found in times.items()}
    return {**each, "apart": apart, "problems": len(alone)}


def _problem(signatures: Signatures, i: int, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights of two, and the costs between them."""
    (p, a), (q, b) = alone_of(signatures, i), alone_of(signatures, j)
    return a, b, ot.dist(p, q)
