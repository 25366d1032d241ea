"""Building a bank: plan, solve what has not been solved yet, and put it together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polarprior.bank import writing
from polarprior.bank.bank import Bank
from polarprior.bank.format import row_bytes
from polarprior.building.assembling import columns, metadata
from polarprior.building.cost import say_cost
from polarprior.building.deciding import decide, first_plan
from polarprior.building.in_folder import Decide, FolderBuild, Run
from polarprior.building.local import local
from polarprior.building.on_ray import on_ray
from polarprior.building.plan import Plan, Request, Unit
from polarprior.building.progress import bar
from polarprior.building.ranks import Share
from polarprior.building.solver import Job, Solved, Solver
from polarprior.errors import UsageError
from polarprior.generator import Generator
from polarprior.host import Host
from polarprior.user_functions import NAME
from polarprior.volume.calibration import Calibration

ENGINES = {"local": local, "ray": on_ray}


@dataclass(frozen=True)
class Labour:
    """Who builds a bank, and how it is shown: what changes none of its rows.

    Attributes:
        workers: that work at once.
        engine: ``local``, processes on this machine, or ``ray``, see `polarprior.building.on_ray`.
        share: solve this share alone, beside others who solve theirs, on a file system that all of them see.
        max_shard_size: see `polarprior.bank.bank.Bank.save`.
        progress: show a bar with a rate and a time left, on stderr.
    """

    workers: int = 1
    engine: str = "local"
    share: Share | None = None
    max_shard_size: int = writing.MAX_SHARD_SIZE
    progress: bool = False


def build_at(host: Host, generator: Generator, request: Request, out: Path, labour: Labour) -> Bank | None:
    """Build a bank in a file; see `polarprior.build_bank`.

    Returns:
        The bank; None where shares of others are still missing.
    """
    writing.shard_sizes(request.n, row_bytes(request.k, generator.num_classes), labour.max_shard_size)
    known = first_plan(generator, request)
    run = _engine(host, generator, labour)
    build = FolderBuild(out, known, _decide(host, generator, labour), run, labour.max_shard_size, labour.progress)
    return build.all() if labour.share is None else build.share(labour.share)


def build_in_memory(host: Host, generator: Generator, request: Request, labour: Labour) -> Bank:
    """Build a bank that is on no disk."""
    run = _engine(host, generator, labour)
    plan, calibration = _decide(host, generator, labour)(first_plan(generator, request), None)
    done: dict[Unit, Solved] = {}
    with bar(plan.units(), plan.units(), labour.progress) as shown:
        for solved in run(plan, calibration, plan.units()):
            done[solved.unit] = solved
            shown.update(len(solved.unit))

    def get(unit: Unit) -> dict[str, np.ndarray]:
        return dict(done[unit].columns)

    return Bank.of(metadata(plan, get), columns(plan, get, 0, request.n))


def _decide(host: Host, generator: Generator, labour: Labour) -> Decide:
    def complete(plan: Plan, calibration: Calibration | None) -> tuple[Plan, Calibration | None]:
        _check_loads_alike(host, generator)
        decided, calibration = decide(generator, plan, host.jacobian_fn, calibration, labour.progress)
        if labour.progress:
            say_cost(Solver(generator, decided, calibration, host.jacobian_fn), decided)
        return decided, calibration

    return complete


def _check_loads_alike(host: Host, generator: Generator) -> None:
    """UsageError for a user's function that gives other weights each time: no bank would ever fit them."""
    source = generator.source
    if source is None or not source.startswith(f"{NAME}:"):
        return
    again = host.load(source, str(generator.device), **generator.settings.given())
    if again.fingerprint != generator.fingerprint:
        raise UsageError(
            f"model: {source} gives other weights each time that it is called, and a bank is for one set of them",
            "load them from a file there, or seed them: torch.manual_seed(0)",
        )


def _engine(host: Host, generator: Generator, labour: Labour) -> Run:
    """How units are solved: here, where one worker is enough, else by an engine."""
    engine, workers = labour.engine, labour.workers
    if engine not in ENGINES:
        raise UsageError(f"engine: got {engine!r}, expected one of {', '.join(ENGINES)}", "use engine=local")
    if workers < 1:
        raise UsageError(f"workers: got {workers}, expected at least 1", "use workers=1")
    if (engine, workers) == ("local", 1):
        return lambda plan, calibration, units: map(Solver(generator, plan, calibration, host.jacobian_fn), units)
    source = generator.source
    if source is None:
        raise UsageError(
            f"workers: got {workers} with the engine {engine}, and a model that they can't load",
            "load it by name: pp.load('torch:my_module:make_generator')",
        )
    named = host.for_workers()
    return lambda plan, calibration, units: ENGINES[engine](
        Job(plan, calibration, source, str(generator.device), named), units, workers
    )
