"""The engine for one machine: a process a worker, each on a device of its own."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import torch

from polarprior.building.plan import Unit
from polarprior.building.solver import Job, Solved
from polarprior.errors import PolarPriorError, warn

LIVES = 3
"""Workers that may die over one unit before it is the unit's fault."""


def local(job: Job, units: Sequence[Unit], workers: int) -> Iterator[Solved]:
    """Solve units in `workers` processes, and give each as it is done.

    A worker that dies (as where memory runs out) gives its unit back, and the others go on.

    Raises:
        PolarPriorError: what a worker raised; all workers died, or three over the same unit.
    """
    waiting, deaths = deque(units), dict.fromkeys(units, 0)
    team: dict[Connection, _Worker] = {}
    try:
        for number in range(min(workers, len(units))):
            worker = _Worker.start(replace(job, device=device_of(job.device, number)))
            team[worker.connection] = worker
            worker.send(waiting)
        while team:
            for ready in connection.wait(list(team)):
                worker = team[ready]  # type: ignore[index]
                try:
                    answer = worker.connection.recv()
                except (EOFError, OSError):  # it may have died while it was speaking
                    del team[worker.connection]
                    worker.process.join(timeout=5)
                    _bury(worker, waiting, deaths, bool(team))
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
                worker.send(waiting)
                if worker.unit is None:
                    del team[worker.connection]
    finally:
        for worker in team.values():
            worker.process.kill()


def device_of(device: str, number: int) -> str:
    """The device of worker `number`: of ``cuda`` each has its own, in turn."""
    return f"cuda:{number % torch.cuda.device_count()}" if device == "cuda" else device


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection
    unit: Unit | None = None

    @classmethod
    def start(cls, job: Job) -> _Worker:
        context = get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, job), daemon=True)
        with _without_interrupts():
            process.start()
        there.close()
        return cls(process, here)

    def send(self, waiting: deque[Unit]) -> None:
        """Give it the next unit; none is left: let it go."""
        self.unit = waiting.popleft() if waiting else None
        with suppress(ConnectionError):  # it may have died: its end of the pipe says so
            self.connection.send(self.unit)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C is the parent's to handle: a process that is started in here never sees it, even while it starts."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _bury(worker: _Worker, waiting: deque[Unit], deaths: dict[Unit, int], others: bool) -> None:
    """Take back the unit of a worker that has died."""
    if worker.unit is None:
        return
    deaths[worker.unit] += 1
    waiting.appendleft(worker.unit)
    code = worker.process.exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    if deaths[worker.unit] >= LIVES or not others:
        raise PolarPriorError(
            f"a worker {how}, and there is none to go on",
            "run the same command again, with fewer workers if memory ran out",
        )
    warn(f"a worker {how}; the others go on")


def _work(pipe: Connection, job: Job) -> None:
    """What a worker runs: units come in, and what they gave goes out; it never outlives its parent."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # the parent, which tried the model first, has said it all
    try:
        solver = job.solver()
        while (unit := pipe.recv()) is not None:
            pipe.send(solver(unit))
    except (EOFError, ConnectionError):
        return
    except BaseException as error:
        pipe.send(_sendable(error))


def _die_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _sendable(error: BaseException) -> BaseException:
    """The error itself where it is one of ours, else its whole story."""
    if isinstance(error, PolarPriorError):
        pickle.dumps(error)
        return error
    return RuntimeError("".join(traceback.format_exception(error)))
