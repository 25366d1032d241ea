"""A build that survives: kept in a folder beside the bank until the bank is whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polarprior.bank import index, writing
from polarprior.bank.bank import Bank
from polarprior.bank.format import Columns
from polarprior.building.assembling import columns, metadata
from polarprior.building.card import write_card
from polarprior.building.journal import Journal
from polarprior.building.lock import PATIENCE, Held, held
from polarprior.building.parts import Parts
from polarprior.building.plan import Plan, Unit
from polarprior.building.progress import bar
from polarprior.building.ranks import Share
from polarprior.building.solver import Solved
from polarprior.errors import BankError, PolarPriorError
from polarprior.files import check_writable
from polarprior.stages import stage
from polarprior.volume.calibration import Calibration
from polarprior.volume.estimators import default_estimator

Run = Callable[[Plan, Calibration | None, Sequence[Unit]], Iterator[Solved]]
Decide = Callable[[Plan, Calibration | None], tuple[Plan, Calibration | None]]


@dataclass(frozen=True, eq=False)
class FolderBuild:
    """A build that is kept in ``OUT.parts``.

    Attributes:
        out: the bank.
        known: what is known of its plan.
        decide: completes the plan, with the calibration that the build was begun with, if it was.
        run: solves units.
        max_shard_size, progress: see `polarprior.build_bank`.
    """

    out: Path
    known: Plan
    decide: Decide
    run: Run
    max_shard_size: int
    progress: bool

    @property
    def parts(self) -> Parts:
        base = index.base_of(self.out)
        return Parts(base.with_name(base.name + ".parts"))

    def all(self) -> Bank:
        """Solve what is missing, and write the bank."""
        parts = self.parts
        check_writable(self.out)
        if not parts.begun() and (bank := self._whole()) is not None:
            return bank
        with held(parts.lock(), str(self.out)):
            if (bank := self._whole()) is None:
                try:
                    return self._written(parts, self._solve(parts, None))
                except BaseException:
                    parts.remove_unless_begun()
                    raise
            return self._finished(parts, bank)  # it was ended just before

    def share(self, share: Share) -> Bank | None:
        """Solve what is missing of a share, and write the bank where it was the last."""
        parts = self.parts
        check_writable(self.out)
        if not parts.begun() and (bank := self._whole()) is not None:
            return bank
        own = parts.lock(f"lock-{share.number}-of-{share.count}")
        plan = None
        try:
            with (
                held(parts.lock(), str(self.out), shared=True, wait=PATIENCE),
                held(own, f"share {share} of {self.out}"),
            ):
                if self._whole() is None:
                    plan = self._solve(parts, share)
        finally:
            bank = self._last(parts, plan)
        return bank

    def _last(self, parts: Parts, plan: Plan | None) -> Bank | None:
        """What a share does once it is done: where all parts are there, it waits until nobody works, and writes."""

        def whole() -> bool:
            return plan is not None and all(parts.get(unit) is not None for unit in plan.units())

        try:
            with held(parts.lock(), str(self.out), wait=None if whole() else 0.0):
                if (bank := self._whole()) is not None:
                    return self._finished(parts, bank)
                if plan is None:
                    parts.remove_unless_begun()
                elif whole():
                    return self._written(parts, plan)
        except Held:
            pass
        return None

    def _solve(self, parts: Parts, share: Share | None) -> Plan:
        """Make the plan or take up the one there is, and solve what is missing of it."""
        with held(parts.lock("lock-plan"), str(self.out), wait=None) if share else nullcontext():
            parts.check(self.known)
            plan, calibration = self.decide(self.known, parts.calibration())
            parts.begin(plan, calibration)
        units = plan.units() if share is None else share.of(plan.units())
        missing = [unit for unit in units if parts.get(unit) is None]
        journal = Journal(self._beside(".log.jsonl"))
        with bar(units, missing, self.progress) as shown:
            for solved in self.run(plan, calibration, missing) if missing else ():
                parts.put(solved.unit, solved.columns)
                journal.write(
                    unit=solved.unit.name,
                    latents=len(solved.unit),
                    seconds=round(solved.seconds, 3),
                    worker=solved.worker,
                )
                shown.update(len(solved.unit))
        return plan

    def _written(self, parts: Parts, plan: Plan) -> Bank:
        """The bank, from parts that are all there."""

        def get(unit: Unit) -> dict[str, np.ndarray]:
            found = parts.get(unit)
            if found is None:
                raise PolarPriorError(f"out: {unit.name} in {parts.folder} was lost", "run the same command again")
            return found

        def solved(start: int, stop: int) -> Columns:
            return columns(plan, get, start, stop)

        with stage(f"putting {self.out} together"):
            info, n = metadata(plan, get), plan.request.n
            written = writing.write_files(self.out, info, n, solved, self.max_shard_size, scratch=parts.folder)
        return self._finished(parts, Bank.open(written))

    def _finished(self, parts: Parts, bank: Bank) -> Bank:
        """A bank that is whole, once its card is there and the parts are gone."""
        with stage(f"writing the card of {self.out}"):
            write_card(Bank.open(bank.path, cached=False), self.out, scratch=parts.folder)
        parts.remove()
        return bank

    def _whole(self) -> Bank | None:
        """The bank that was asked for, where it is there already; PolarPriorError where something else is."""
        path = index.find(self.out)
        if not path.is_file():
            return None
        try:  # a build keeps nothing but its own folder: no cache here
            found = _difference(Bank.open(path, cached=False), self.known)
        except BankError as error:
            raise PolarPriorError(f"out: {path} exists already; {error.message}", "name another file") from error
        if found is not None:
            field, was, now = found
            more = "; for more latents build them with seeds_from=N, and merge" if field in ("n", "seeds") else ""
            raise PolarPriorError(
                f"out: {path} exists already, a bank with {field} {was}; got {now}", f"name another out=BANK{more}"
            )
        return Bank.open(path)

    def _beside(self, suffix: str) -> Path:
        base = index.base_of(self.out)
        return base.with_name(base.name + suffix)


def _difference(bank: Bank, known: Plan) -> tuple[str, str, str] | None:
    """The first field in which a bank isn't the one that is asked for: (its name, as it is, as asked for)."""
    info, request = bank.info, known.request
    pairs = {name: (getattr(info, name), getattr(known, name)) for name in _OF_THE_MODEL}
    pairs |= {name: (getattr(info, name), getattr(request, name)) for name in ("domain", "space", "k")}
    rows = np.arange(request.n)
    pairs["n"] = len(bank), request.n
    pairs["seeds"] = _span(bank.seeds), _span(known.seeds(rows))
    labels = known.labels(rows)
    if labels is not None and len(bank) == request.n:
        pairs["classes"] = "as asked" if np.array_equal(np.asarray(bank.labels), labels) else "others", "as asked"
    asked = request.estimator or default_estimator(int(np.prod(known.latent_shape)), request.k, request.n)
    pairs["estimator"] = info.estimator.get("chosen_by", info.estimator["name"]), asked
    if info.estimator["name"] != "exact":
        pairs["tol"] = info.estimator["tolerance"], request.tol
    for field, (was, now) in pairs.items():
        if was != now:
            return field, str(was)[:60], str(now)[:60]
    return None


def _span(seeds: np.ndarray) -> str:
    return f"{seeds.min()} to {seeds.max()}"


_OF_THE_MODEL = ("plugin", "fingerprint", "prior", "latent_shape", "num_classes", "settings", "dtype")
