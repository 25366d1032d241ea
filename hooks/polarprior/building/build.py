"""Building a bank: plan, solve what has not been solved yet, and put it together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polarprior.bank import index
from polarprior.bank.bank import Bank
from polarprior.building.assembling import columns, metadata
from polarprior.building.in_folder import FolderBuild, Run
from polarprior.building.local import local
from polarprior.building.on_ray import on_ray
from polarprior.building.plan import Request, Unit
from polarprior.building.planning import decide, first_plan
from polarprior.building.progress import bar
from polarprior.building.ranks import Share
from polarprior.building.solver import Job, Solved, Solver
from polarprior.errors import UsageError
from polarprior.generator import Generator
from polarprior.volume.estimators import TOLERANCE

ENGINES = {"local": local, "ray": on_ray}


def build_bank(
    generator: Generator,
    n: int,
    k: int = 30,
    *,
    space: str = "pixel",
    domain: str = "z",
    classes: Sequence[int] | None = None,
    seeds_from: int = 0,
    estimator: str | None = None,
    tol: float = TOLERANCE,
    memory: int | None = None,
    out: str | Path | None = None,
    workers: int = 1,
    engine: str = "local",
    max_shard_size: int = index.MAX_SHARD_SIZE,
    progress: bool = False,
) -> Bank:
    """Take the spectra of n latents of the model's own prior.

    Args:
        generator: the model; its settings are the bank's.
        n: rows in all. Row i has seed ``seeds_from + i``.
        k: singular values a row, 1 to the rank bound of the Jacobian.
        space: where volume is measured.
        domain: where latents live.
        classes: of a class-conditional model: row i has class ``classes[i % len(classes)]``; all where None.
        seeds_from: the first seed.
        estimator: see `polarprior.volume.estimators.top_singular_values`; None for `default_estimator`. ``auto`` is
            ``exact`` up to 500 latents, which is what calibration and audit of another would solve.
        tol: largest error of a log-volume that is accepted, nats. Up to 300 random rows are solved exactly, and
            the bank's metadata says what was found.
        memory: bytes of working memory that Jacobian products may take; where memory runs out, less is used.
        out: where the bank is written. What has been solved is kept in ``OUT.parts`` until it is all there, so that
            the same call goes on after whatever ended it. None: the bank is in memory only.
        workers: that work at once; the bank is the same, however many. More than one needs a generator that
            `polarprior.load` gave.
        engine: ``local``, processes on this machine, or ``ray``, see `polarprior.building.on_ray`.
        max_shard_size: see `polarprior.bank.bank.Bank.save`.
        progress: show a bar with a rate and a time left, on stderr.

    Returns:
        The Bank; with `out`, opened from there.

    Raises:
        UsageError: an argument out of range.
        PluginError: the generator draws noise inside or couples its batch, or its Jacobian holds NaN or infinity,
            is zero, or can't be taken.
        PolarPriorError: `out` holds another bank, or another build, or is being built by somebody else, or has no
            room.
    """
    request = Request(
        n, k, space, domain, None if classes is None else tuple(classes), seeds_from, estimator, tol, memory
    )
    if out is not None:
        bank = build_at(Path(out), generator, request, workers, engine, None, max_shard_size, progress)
        assert bank is not None  # only a share gives None
        return bank
    return _in_memory(generator, request, _engine(generator, engine, workers), progress)


def build_at(
    out: Path,
    generator: Generator,
    request: Request,
    workers: int = 1,
    engine: str = "local",
    share: Share | None = None,
    max_shard_size: int = index.MAX_SHARD_SIZE,
    progress: bool = False,
) -> Bank | None:
    """Build a bank in a file; see `build_bank`.

    Args:
        share: solve this share alone, beside others who solve theirs, on a file system that all of them see.

    Returns:
        The bank; None where shares of others are still missing.
    """
    known = first_plan(generator, request)
    build = FolderBuild(generator, known, out, _engine(generator, engine, workers), max_shard_size, progress)
    return build.all() if share is None else build.share(share)


def _engine(generator: Generator, engine: str, workers: int) -> Run:
    """How units are solved: here, where one worker is enough, else by an engine."""
    if engine not in ENGINES:
        raise UsageError(f"--engine: got {engine!r}, expected one of {', '.join(ENGINES)}", "use local")
    if workers < 1:
        raise UsageError(f"--workers: got {workers}, expected at least 1", "use --workers 1")
    if (engine, workers) == ("local", 1):
        return lambda plan, calibration, units: map(Solver(generator, plan, calibration), units)
    source = generator.source
    if source is None:
        raise UsageError(
            f"workers: got {workers} with the engine {engine}, and a model that they can't load",
            "load it by name: pp.load('torch:my_module:make_generator')",
        )
    return lambda plan, calibration, units: ENGINES[engine](
        Job(plan, calibration, source, str(generator.device)), units, workers
    )


def _in_memory(generator: Generator, request: Request, run: Run, progress: bool) -> Bank:
    plan, calibration = decide(generator, first_plan(generator, request), progress=progress)
    done: dict[Unit, Solved] = {}
    with bar(plan.units(), plan.units(), progress) as shown:
        for solved in run(plan, calibration, plan.units()):
            done[solved.unit] = solved
            shown.update(len(solved.unit))

    def get(unit: Unit) -> dict[str, np.ndarray]:
        return dict(done[unit].columns)

    return Bank.of(metadata(plan, get), columns(plan, get, 0, request.n))
