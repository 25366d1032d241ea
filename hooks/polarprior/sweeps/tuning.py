"""The rho that a metric wants, inside the limits of the bank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from polarprior.arguments import PAIR, Domain, check_fields, instance, named_fields, several, share, text
from polarprior.bank.bank import Bank
from polarprior.errors import PolarPriorError, UsageError
from polarprior.generator import Generator
from polarprior.host import Host
from polarprior.law.diagnostics import Diagnostics
from polarprior.law.limits import floor_to
from polarprior.samplers.contract import SamplerOptions
from polarprior.sweeps.comparing import Comparison, judge_of, say_cost, spaces_of
from polarprior.sweeps.measuring import Measured, Measuring, as_dict, change
from polarprior.sweeps.repetitions import check_within_classes, repetitions
from polarprior.sweeps.sweep import automatic_polarities

EVALUATIONS = 12
"""How many values of rho a search tries."""
AIMS = ("minimise", "precision", "recall")


@named_fields
@dataclass(frozen=True)
class TuneOptions:
    """What a search is for; exactly one of the first three.

    Attributes:
        minimise: the metric whose lowest value is looked for: fid, kid or transport.
        precision: look for the smallest ``|rho|`` of at least this precision.
        recall: look for the smallest ``|rho|`` of at least this recall.
        comparison: how draws are compared; the metric that is aimed at need not be among its metrics.
        sampler: how latents are drawn.
        others: further generators with their banks, such as of other truncations; the best is taken.
    """

    DOMAINS: ClassVar[dict[str, Domain]] = {
        "comparison": instance("polarprior.sweeps.comparing:Comparison", "use pp.Comparison(...)"),
        "minimise": text("use minimise='fid'").or_none(),
        "precision": share().or_none(),
        "recall": share().or_none(),
        "sampler": instance("polarprior.samplers.contract:SamplerOptions", "use pp.SamplerOptions(...)"),
        "others": several(PAIR),
    }

    comparison: Comparison
    minimise: str | None = None
    precision: float | None = None
    recall: float | None = None
    sampler: SamplerOptions = field(default_factory=SamplerOptions)
    others: Sequence[tuple[Generator, Bank]] = ()

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def metric(self) -> str:
        """The metric that is aimed at."""
        return self.minimise or ("precision" if self.precision is not None else "recall")

    @property
    def target(self) -> float | None:
        """What it should reach; None where it is minimised."""
        return self.precision if self.precision is not None else self.recall

    def metrics(self) -> tuple[str, ...]:
        """What is measured, that which is aimed at first."""
        needed = self.minimise or "pr"
        return (needed, *[each for each in self.comparison.metrics if each != needed])

    def check(self) -> None:
        """Raise UsageError unless there is one aim, and it can be one."""
        aims = {name: getattr(self, name) for name in AIMS if getattr(self, name) is not None}
        if len(aims) != 1:
            got = " and ".join(f"{name}={value}" for name, value in aims.items()) or "no aim"
            raise UsageError(f"minimise: got {got}, expected one aim", "use minimise=fid")


@dataclass(frozen=True)
class Tried:
    """A rho that was tried.

    Attributes:
        trunc: of the generator, None where it has no notion of it.
        diagnostics: of its draws.
        metrics: of its draws.
        change: of these against rho 0, set by set.
    """

    trunc: float | None
    diagnostics: Diagnostics
    metrics: Measured
    change: Measured

    @property
    def rho(self) -> float:
        """The polarity."""
        return self.diagnostics.rho

    @property
    def tilt(self) -> float:
        """rho times the standard deviation of the log-volume."""
        return self.diagnostics.tilt


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a search has found.

    Attributes:
        options: what was looked for.
        chosen: the rho that was found.
        plain: rho 0 on the same bank.
        bank: that bank.
        tried: all that were tried on it, the best first.
    """

    options: TuneOptions
    chosen: Tried
    plain: Tried
    bank: Bank
    tried: list[Tried]

    @property
    def told_apart(self) -> bool:
        """Whether the metric at the rho that was found differs from that at 0 by more than the error bars."""
        change = self.chosen.change[self.space][self.options.metric]
        return abs(change.mean) > change.half

    @property
    def rho(self) -> float:
        """The rho to use: 0 where none can be told from it."""
        return self.chosen.rho if self.told_apart else 0.0

    @property
    def space(self) -> str:
        """The space that was aimed at."""
        return self.options.comparison.metric_space[0]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "rho": self.chosen.rho,
            "trunc": self.chosen.trunc,
            "bank": self.bank.place and str(self.bank.place),
            "told_apart_from_0": self.told_apart,
            "diagnostics": self.chosen.diagnostics.to_dict(),
            "metrics": as_dict(self.chosen.metrics),
            "change": as_dict(self.chosen.change),
        }


def tuned(
    host: Host,
    generator: Generator,
    bank: Bank,
    options: TuneOptions,
    told: Callable[[Tried], None] = lambda _: None,
) -> Tuned:
    """Search; see `polarprior.tune`. `told` is told of each rho that was tried."""
    options.check()
    check_within_classes(options.sampler)
    comparison, label = options.comparison, options.sampler.label
    wanted = Comparison(**{**vars(comparison), "metrics": options.metrics()})
    real, spaces = comparison.opened(), spaces_of(host, generator, wanted)
    banks = [bank, *(each for _, each in options.others)]
    drawn = sum(wanted.most_pictures(each, options.sampler, EVALUATIONS) for each in banks)
    say_cost(generator, wanted, spaces, real, label, drawn, f"{EVALUATIONS * len(banks)} tries")
    judge = judge_of(generator, wanted, spaces, real, label)
    measuring = Measuring(judge, comparison.samples, comparison.sets)
    found: list[Tuned] = []
    failed: PolarPriorError | None = None
    for each, its_bank in ((generator, bank), *options.others):
        try:
            tried = search(host, each, its_bank, measuring, options, told)
        except PolarPriorError as error:
            failed = error
            continue
        found.append(Tuned(options, tried[0], next(one for one in tried if one.rho == 0), its_bank, tried))
    if failed is not None and not found:
        raise failed
    if options.target is not None:
        return min(found, key=lambda each: abs(each.chosen.tilt))
    return min(found, key=lambda each: each.chosen.metrics[each.space][options.metric].mean)


def search(
    host: Host,
    generator: Generator,
    bank: Bank,
    measuring: Measuring,
    options: TuneOptions,
    told: Callable[[Tried], None] = lambda _: None,
) -> list[Tried]:
    """Search rho for the lowest value of a metric, or for the smallest ``|rho|`` that reaches a target.

    The same seeds are drawn at each rho, and a seed keeps its picture as long as the law allows: the metric moves
    with rho by the latents that are replaced alone, so that `EVALUATIONS` suffice. The minimum is searched by Brent's
    method, the target by bisection on the side of rho where the metric rises.

    Returns:
        All that were tried, the best first.

    Raises:
        PolarPriorError: no rho inside the limits reaches the target.
    """
    asked, metric, target = options.sampler, options.metric, options.target
    attempts = _Attempts(host, generator, bank, measuring, options, told)
    lower, *_, upper = automatic_polarities(host, generator, bank, asked)
    attempts(0.0)
    if target is None:
        attempts.minimise(lower, upper)
        return sorted(attempts.found.values(), key=lambda each: each.metrics[attempts.space][metric].mean)
    if attempts(0.0) < target:
        attempts.reach(target, lower, upper)
    reached = [each for each in attempts.found.values() if attempts.value(each) >= target]
    return sorted(reached, key=lambda each: abs(each.tilt)) + [
        each for each in attempts.found.values() if attempts.value(each) < target
    ]


class _Attempts:
    """rho to the metric that is aimed at; each rho is tried once."""

    def __init__(
        self,
        host: Host,
        generator: Generator,
        bank: Bank,
        measuring: Measuring,
        options: TuneOptions,
        told: Callable[[Tried], None],
    ):
        self._host, self._generator, self._bank = host, generator, bank
        self._measuring, self._options, self._told = measuring, options, told
        self.space = next(iter(measuring.judge.real))
        self.found: dict[float, Tried] = {}

    def value(self, tried: Tried) -> float:
        """The metric of what was tried."""
        return tried.metrics[self.space][self._options.metric].mean

    def __call__(self, rho: float) -> float:
        rho = floor_to(float(rho), 3)
        if rho not in self.found:
            asked, measuring = self._options.sampler, self._measuring
            sampler = self._host.latent_sampler(self._generator, self._bank, rho, **vars(asked))
            sets = repetitions(self._generator, self._bank, sampler, asked.label, measuring.samples, measuring.sets)
            metrics = measuring.of(self._generator, (each._replace(control=None) for each in sets)).figures
            plain = self.found[0.0].metrics if self.found else metrics  # 0 is the first
            trunc = self._generator.settings.trunc
            self.found[rho] = Tried(trunc, sampler.diagnostics, metrics, change(metrics, plain))
            self._told(self.found[rho])
        return self.value(self.found[rho])

    def minimise(self, lower: float, upper: float) -> None:
        """Try what Brent's method asks for."""
        from scipy.optimize import minimize_scalar  # half a second to import

        minimize_scalar(self, bounds=(lower, upper), method="bounded", options={"maxiter": EVALUATIONS - 1})

    def reach(self, target: float, lower: float, upper: float) -> None:
        """Bisect between 0 and the end where the metric is higher; PolarPriorError where that misses the target."""
        metric = self._options.metric
        end = max((lower, upper), key=self)
        if self(end) < target:
            raise PolarPriorError(
                f"{metric}: got {target:g}, at most {self(end):.4g} for rho in {lower:g} to {upper:g}, its limits",
                f"use {metric}={floor_to(self(end)):g}, or build a larger bank",
            )
        near = 0.0
        for _ in range(EVALUATIONS - len(self.found)):
            middle = (near + end) / 2
            near, end = (near, middle) if self(middle) >= target else (middle, end)
