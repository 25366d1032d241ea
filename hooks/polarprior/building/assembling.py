"""From what the units of a plan gave to a bank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from polarprior.bank.format import Columns
from polarprior.bank.info import BankInfo
from polarprior.building.plan import Plan, Unit
from polarprior.volume.audit import Audit, audit, audited_rows
from polarprior.volume.estimators import AUTO

Get = Callable[[Unit], Columns]


def metadata(plan: Plan, get: Get) -> BankInfo:
    """The bank's metadata, with what its audit shows."""
    return BankInfo(
        plugin=plan.plugin,
        plugin_version=plan.plugin_version,
        fingerprint=plan.fingerprint,
        prior=plan.prior,
        latent_shape=plan.latent_shape,
        stock_seeds=plan.stock_seeds,
        num_classes=plan.num_classes,
        domain=plan.request.domain,
        space=plan.request.space,
        settings=plan.settings,
        k=plan.request.k,
        estimator={**_described(plan), **_audited(plan, get).to_dict()},
        dtype=plan.dtype,
        torch=plan.torch,
        licence=plan.licence,
    )


def columns(plan: Plan, get: Get, start: int, stop: int) -> Columns:
    """The bank's columns from row start to stop."""
    rows = np.arange(start, stop)
    found = {
        "seeds": plan.seeds(rows),
        "latent_hash": np.empty(len(rows), np.int64),
        "log_singular_values": np.empty((len(rows), plan.request.k), np.float32),
    }
    for unit in plan.units():
        first, last = max(unit.first, start), min(unit.stop, stop)
        if unit.kind == "part" and first < last:
            solved = get(unit)
            for name in ("latent_hash", "log_singular_values"):
                found[name][first - start : last - start] = solved[name][first - unit.first : last - unit.first]
    labels = plan.labels(rows)
    return found if labels is None else {**found, "labels": labels}


def _audited(plan: Plan, get: Get) -> Audit:
    """The audit; of an exact bank it compares l_k with the full log-volume only."""
    rows = audited_rows(plan.request.n)
    parts = [unit for unit in plan.units() if unit.kind == "part"]
    estimated, full = np.empty(len(rows)), np.empty(len(rows))
    for number, mine in _by_part(rows, plan.part):
        solved = get(parts[number])
        inside = rows[mine] - parts[number].first
        estimated[mine] = solved["log_singular_values"][inside].sum(1, dtype=np.float64)
        if plan.chosen == "exact":
            full[mine] = solved["full_log_volume"][inside]
    if plan.chosen == "exact":
        return audit(estimated, estimated, full, offset=0.0, tol=plan.request.tol)
    exact = [get(unit) for unit in plan.units() if unit.kind == "audit"]
    truth, full = (np.concatenate([each[name] for each in exact]) for name in ("log_volume", "full_log_volume"))
    return audit(estimated, truth, full, offset=plan.offset, tol=plan.request.tol)


def _by_part(rows: np.ndarray, part: int) -> Iterator[tuple[int, np.ndarray]]:
    """(number of a part, which of the rows, ascending, are in it)."""
    for number in np.unique(rows // part).tolist():
        yield number, np.flatnonzero(rows // part == number)


def _described(plan: Plan) -> dict[str, Any]:
    """The estimator, for the bank's metadata."""
    described: dict[str, Any] = {"name": plan.chosen, "tolerance": plan.request.tol}
    if plan.chosen == "exact":
        described["tolerance"] = 0.0
    if plan.request.estimator == AUTO:
        described |= {"chosen_by": AUTO, **(plan.calibrated or {})}
    return described
