"""What a bank holds, what it is valid for, and how far rho may go on it: as JSON and as text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.bank.statistics import SpectrumStatistics, histogram, size_text, spectrum_statistics
from polarprior.law.diagnostics import Diagnostics, diagnose
from polarprior.law.limits import floor_to, limits_on
from polarprior.law.rows import labels_asked_for
from polarprior.tables import table

OF_A_GROUP = ("label", "rows", "mean_log_volume", "std", "rank_deficient", "limits")
NOT_SHOWN = ("groups", "spectrum", "shard", "estimator")
"""Fields that have lines of their own in the text, or none."""
STEPS = (2, 1.5, 1, 0.5)
"""Rows of the table over rho, as shares of a limit."""


@dataclass(frozen=True, eq=False)
class BankReport:
    """A bank at a glance.

    Attributes:
        bank: the bank.
        groups: the state of rho 0, with the limits of rho, a class each; one where there are no classes.
        spectrum: mean and standard deviation of each log singular value.
    """

    bank: Bank
    groups: Sequence[Diagnostics]
    spectrum: SpectrumStatistics

    @classmethod
    def of(cls, bank: Bank) -> BankReport:
        """Look at all rows of a bank."""
        log_volume, k = bank.log_volume(), bank.info.k
        groups = [
            diagnose(log_volume[bank.rows_of(label)], 0.0, k, label=label, limits=limits_on(bank, label=label))
            for label in labels_asked_for(bank, None)
        ]
        return cls(bank, groups, spectrum_statistics(bank))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **{**asdict(self.bank.info), "settings": self.bank.info.settings.to_dict()},
            "rows": len(self.bank),
            "size": self.bank.size,
            "groups": [{name: group.to_dict()[name] for name in OF_A_GROUP} for group in self.groups],
            "spectrum": {"mean": _finite(self.spectrum.mean), "std": _finite(self.spectrum.std)},
        }

    def text(self) -> str:
        """For people."""
        lines = [f"{name:<16}{value if value not in (None, '') else '-'}" for name, value in self._fields()]
        lines.append(f"{'accuracy':<16}{self.bank.info.accuracy()}")
        spectrum = ", ".join(f"{i}: {mean:.2f} ± {std:.2f}" for i, mean, std in self.spectrum.lines())
        lines.append(f"\nlog sigma_i, mean ± std: {spectrum}")
        lines.append(f"\nlog-volumes\n{histogram(self.bank.log_volume())}\n")
        if len(self.groups) == 1:
            lines.append(f"{self._over_rho(self.groups[0])}\n")
        return "\n".join([*lines, *map(_line, self.groups)])

    def _fields(self) -> Iterator[tuple[str, object]]:
        info = self.bank.info
        shown = {
            "size": size_text(self.bank.size),
            "latent_shape": "x".join(map(str, info.latent_shape)),
            "settings": ", ".join(f"{key} {value}" for key, value in info.settings.given().items()) or "-",
        }
        for name, value in self.to_dict().items():
            if name not in NOT_SHOWN:
                yield name, shown.get(name, value)

    def _over_rho(self, group: Diagnostics) -> str:
        """A table of what rho does to the weights, from twice the lower limit to twice the upper one."""
        limits = group.limits
        if not np.isfinite(limits).all() or limits.lower == limits.upper:
            return "no table over rho: the limits are 0 or infinite"
        steps = [floor_to(limit * part) for limit in limits for part in STEPS]
        log_volume = self.bank.log_volume()[self.bank.rows_of(group.label)]
        lines = [("rho", "tilt", "ESS", "k-hat", "largest", "mean l", "ESS / rows")]
        for rho in sorted({0.0, *steps}):
            report = diagnose(log_volume, rho, self.bank.info.k, label=group.label, limits=limits)
            bar = "█" * round(20 * report.ess / report.rows)
            cells = (
                f"{rho:g}",
                f"{report.tilt:.2f}",
                f"{report.ess:.0f}",
                f"{report.k_hat:.2f}",
                f"{report.max_weight:.1g}",
                f"{report.mean_log_volume:.2f}",
            )
            lines.append((*cells, bar + ("" if report.within_limits else " beyond the limits")))
        return table(lines)


def _line(group: Diagnostics) -> str:
    where = "" if group.label is None else f"class {group.label}: "
    return (
        f"{where}log-volume {group.mean_log_volume:.2f} ± {group.std:.2f} (std) over {group.rows} latents, "
        f"{group.rank_deficient} rank-deficient; limits of rho {group.limits}, of the tilt {group.tilt_limits}"
    )


def _finite(values: np.ndarray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
