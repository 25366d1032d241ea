"""The rho that a metric wants, inside the limits of the bank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from polarprior.bank.bank import Bank
from polarprior.errors import PolarPriorError
from polarprior.generator import Generator
from polarprior.host import default_host
from polarprior.law.diagnostics import Diagnostics
from polarprior.law.limits import floor_to
from polarprior.measure.repetitions import repetitions
from polarprior.measure.sweep import Measured, Measuring, automatic_polarities, change
from polarprior.prior.sampler import SamplerOptions

EVALUATIONS = 12
"""Of a search: one a rho."""


@dataclass(frozen=True)
class Tried:
    """A rho that was tried: the truncation and diagnostics of its draws, their metrics, and the change of these
    against rho 0, set by set."""

    trunc: float | None
    diagnostics: Diagnostics
    metrics: Measured
    change: Measured


def tune(
    generator: Generator,
    bank: Bank,
    measuring: Measuring,
    metric: str,
    target: float | None = None,
    *,
    label: int | None = None,
    tried: Callable[[Tried], None] = lambda _: None,
    **options: Any,
) -> list[Tried]:
    """Search rho for the lowest value of a metric, or for the smallest |rho| that reaches `target`.

    The same seeds are drawn at each rho, and a seed keeps its picture as long as the law allows: the metric moves
    with rho by the latents that are replaced alone, so that `EVALUATIONS` suffice. The minimum is searched by Brent's
    method, the target by bisection on the side of rho where the metric rises.

    Args:
        generator: the model of the bank.
        bank: with spectra; its limits bound rho.
        measuring: the metrics, of which the first space counts.
        metric: its name, such as ``fid`` or ``precision``.
        target: None to minimise.
        label: the class.
        tried: told of each rho.
        options: as in `Host.latent_sampler`.

    Returns:
        All that were tried, the best first.

    Raises:
        PolarPriorError: no rho inside the limits reaches the target.
    """
    from scipy.optimize import minimize_scalar

    found: dict[float, Tried] = {}
    asked = SamplerOptions(label=label, **options)
    space = next(iter(measuring.judge.real))

    def value(rho: float) -> float:
        rho = floor_to(float(rho), 3)
        if rho not in found:
            sampler = default_host().latent_sampler(generator, bank, rho, label=label, **options)
            sets = repetitions(generator, bank, sampler, rho, asked, measuring.samples, measuring.sets)
            metrics = measuring.of(generator, (each._replace(control=None) for each in sets)).figures
            plain = found[0.0].metrics if found else metrics  # 0 is the first
            found[rho] = Tried(generator.settings.trunc, sampler.diagnostics, metrics, change(metrics, plain))
            tried(found[rho])
        return found[rho].metrics[space][metric].mean

    lower, *_, upper = automatic_polarities(generator, bank, label=label, **options)
    value(0.0)
    if target is None:
        minimize_scalar(value, bounds=(lower, upper), method="bounded", options={"maxiter": EVALUATIONS - 1})
        return sorted(found.values(), key=lambda each: each.metrics[space][metric].mean)
    if value(0.0) < target:
        end = max((lower, upper), key=value)
        if value(end) < target:
            raise PolarPriorError(
                f"--{metric}: got {target:g}, at most {value(end):.4g} for rho in {lower:g} to {upper:g}, its limits",
                f"use --{metric} {floor_to(value(end)):g}, or build a larger bank (-n)",
            )
        near = 0.0
        for _ in range(EVALUATIONS - len(found)):
            middle = (near + end) / 2
            near, end = (near, middle) if value(middle) >= target else (middle, end)
    reached = [each for each in found.values() if each.metrics[space][metric].mean >= target]
    return sorted(reached, key=lambda each: each.diagnostics.tilt) + [
        each for each in found.values() if each.metrics[space][metric].mean < target
    ]
