"""The engine for many machines: Ray. Units are its tasks."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence

from polarprior.building.plan import Unit
from polarprior.building.solver import Job, Solved, Solver
from polarprior.errors import PIP, PolarPriorError, UsageError

RETRIES = 5
"""Times that a unit is tried again, on another node where there is one, after its worker has died."""


def on_ray(job: Job, units: Sequence[Unit], workers: int) -> Iterator[Solved]:
    """Solve units in tasks of Ray, `workers` at a time, and give each as it is done.

    The cluster is that of ``RAY_ADDRESS``; where there is none, a Ray of `workers` tasks is started here.

    Raises:
        UsageError: Ray isn't installed.
        PolarPriorError: what a task raised, or its worker died again and again.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError("engine: got ray, which is not installed", f"type: {PIP} 'polarprior[ray]'") from error
    own = "RAY_ADDRESS" not in os.environ
    ray.init(
        num_cpus=workers if own else None,
        include_dashboard=False if own else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
        runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)}},
    )
    try:
        on_gpu = job.device.startswith("cuda")
        task = ray.remote(_solve).options(num_cpus=1, num_gpus=1 if on_gpu else 0, max_retries=RETRIES)
        told, waiting = ray.put(job), deque(units)
        pending: list[ray.ObjectRef] = []
        while waiting or pending:
            while waiting and len(pending) < workers:
                pending.append(task.remote(told, waiting.popleft()))
            done, pending = ray.wait(pending)
            for each in done:
                yield ray.get(each)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayError as error:
        reason = " ".join(str(error).split())[:200]
        raise PolarPriorError(f"engine: ray: {reason}", "run the same command again: it goes on") from error
    finally:
        ray.shutdown()


def _solve(job: Job, unit: Unit) -> Solved:
    """The task. A worker of Ray serves many: it loads the model once."""
    if job.plan.digest not in _solvers:
        _solvers.clear()
        _solvers[job.plan.digest] = job.solver()
    return _solvers[job.plan.digest](unit)


_solvers: dict[str, Solver] = {}
