"""One bank from several, of other seeds and the same everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from polarprior.bank import index, writing
from polarprior.bank.bank import Bank
from polarprior.bank.format import Columns
from polarprior.bank.info import BankInfo
from polarprior.building.card import write_card
from polarprior.errors import BankError, PolarPriorError, UsageError
from polarprior.files import alone_in, scratch_in

_OWN = ("digest", "estimator")
"""What each bank has of its own; the estimators are compared by what isn't measured."""
_MEASURED = ("audited", "error", "spearman", "holds")


def merge(banks: Sequence[Bank], out: Path, max_shard_size: int = writing.MAX_SHARD_SIZE) -> Bank:
    """Write one bank that holds the rows of several, in the order of their first seeds.

    The merged audit is that of all audited rows; a rank correlation is that of one bank, and is dropped.

    Args:
        banks: at least two.
        out: see `Bank.save`; it must not exist, unless this very merge was ended before its card was written.
        max_shard_size: see `Bank.save`.

    Returns:
        The bank, opened from there.

    Raises:
        UsageError: fewer than two banks.
        BankError: a bank is damaged, has a seed of another, or differs in anything else, naming the field.
        PolarPriorError: `out` exists, or can't be written.
    """
    if len(banks) < 2:
        raise UsageError(f"banks: got {len(banks)}, expected at least two to merge", "name two or more")
    for bank in banks:
        bank.check()
    banks = sorted(banks, key=lambda bank: int(bank.seeds.min()))
    for bank in banks[1:]:
        _check_alike(banks[0], bank)
    seeds = np.sort(np.concatenate([bank.seeds for bank in banks]))
    twice = np.flatnonzero(seeds[1:] == seeds[:-1])
    if twice.size:
        raise BankError(f"bank: seed {seeds[twice[0]]} is in two of the banks", "merge banks of different seeds")
    info = replace(banks[0].info, estimator=_merged_estimator(banks))

    def columns(start: int, stop: int) -> Columns:
        return _columns(banks, start, stop)

    there = index.find(out)
    if there.is_file() and not _is_of(there, info, seeds):
        raise PolarPriorError(f"out: {there} exists already", "remove it, or name another file")
    if not there.is_file():
        there = writing.write_files(out, info, len(seeds), columns, max_shard_size)
    merged = Bank.open(there)
    with alone_in(there.parent) as alone, scratch_in(there.parent, alone) as scratch:
        write_card(merged, out, scratch)
    return merged


def _is_of(path: Path, info: BankInfo, seeds: np.ndarray) -> bool:
    """Whether the bank that is there is this merge, which was ended before its card was written."""
    try:
        found = Bank.open(path, cached=False)
        same = replace(found.info, digest="", shard="") == replace(info, digest="", shard="")
        return same and np.array_equal(np.sort(found.seeds), seeds)
    except BankError:
        return False


def _check_alike(first: Bank, other: Bank) -> None:
    ours, theirs = ({**asdict(bank.info), **_fixed(bank)} for bank in (first, other))
    for field in ours:
        if field not in _OWN and ours[field] != theirs.get(field):
            raise BankError(
                f"bank: {field} is {str(ours[field])[:60]} in {first.path or 'one'}, "
                f"{str(theirs.get(field))[:60]} in {other.path or 'another'}",
                "merge banks that differ in their seeds alone",
            )


def _fixed(bank: Bank) -> dict[str, object]:
    """The estimator's name, tolerance and offset: what audited errors are errors of."""
    return {f"estimator's {name}": bank.info.estimator.get(name) for name in ("name", "tolerance", "offset")}


def _merged_estimator(banks: Sequence[Bank]) -> dict[str, object]:
    """All of them hold, or the merged one doesn't: rows are audited in each, so that the claim is one of all."""
    found = [bank.info.estimator for bank in banks]
    shared = {name: value for name, value in found[0].items() if all(each.get(name) == value for each in found)}
    measured = {
        "audited": sum(each.get("audited", 0) for each in found),
        "error": max(each.get("error", 0.0) for each in found),
        "holds": all(each.get("holds", False) for each in found),
    }
    return {**{name: value for name, value in shared.items() if name not in _MEASURED}, **measured}


def _columns(banks: Sequence[Bank], start: int, stop: int) -> Columns:
    """Rows start to stop of all banks, one after the other."""
    parts = list(_parts(banks, start, stop))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _parts(banks: Sequence[Bank], start: int, stop: int) -> Iterator[Columns]:
    first = 0
    for bank in banks:
        lower, upper = max(start - first, 0), min(stop - first, len(bank))
        if lower < upper:
            yield bank.columns(lower, upper)
        first += len(bank)
