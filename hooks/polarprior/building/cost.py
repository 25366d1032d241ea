"""What a build will take, from a few latents that are solved before it starts."""

from __future__ import annotations

import time

from polarprior.building.plan import Plan, Unit
from polarprior.building.solver import Solver
from polarprior.saying import duration, say

TRIED = 4
"""Latents."""


def say_cost(solver: Solver, plan: Plan) -> None:
    """Solve some latents twice, since the first time finds out how, and say on stderr what all of them will take."""
    tried = plan.chunk if plan.request.compile else min(TRIED, plan.chunk)  # what is compiled is for whole chunks
    unit = Unit("part", 0, min(tried, plan.request.n))
    solver(unit)
    began = time.perf_counter()
    solver(unit)
    each = (time.perf_counter() - began) / len(unit)
    audited = sum(len(unit) for unit in plan.units() if unit.kind == "audit")
    beside = f", and {audited} of them exactly as well, to know the error" if audited else ""
    n, steps = plan.request.n, f" ({solver.steps} each)" if solver.steps else ""
    say(f"{n:,} latents{steps} at {1 / each:.3g} a second a worker, about {duration(n * each)}{beside}", err=True)
