"""What a bank holds, what it is valid for, and how far rho may go on it: as JSON and as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.bank.info import BankInfo
from polarprior.bank.statistics import SpectrumStatistics, histogram, spectrum_statistics
from polarprior.law.diagnostics import Diagnostics, diagnose
from polarprior.law.limits import limits_on
from polarprior.law.over_rho import table_over_rho
from polarprior.law.rows import labels_asked_for
from polarprior.saying import size_text

OF_A_GROUP = ("label", "rows", "mean_log_volume", "std", "rank_deficient", "limits")
NOT_SHOWN = ("shard", "estimator")
"""Fields that have lines of their own in the text, or none."""


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
        lines = [fields_text(self.bank.info, len(self.bank), self.bank.size)]
        spectrum = ", ".join(f"{i}: {mean:.2f} ± {std:.2f}" for i, mean, std in self.spectrum.lines())
        lines.append(f"\nlog sigma_i, mean ± std: {spectrum}")
        lines.append(f"\nlog-volumes\n{histogram(self.bank.log_volume())}\n")
        if len(self.groups) == 1:
            group = self.groups[0]
            lines.append(f"{table_over_rho(self.bank, group.label, group.limits)}\n")
        return "\n".join([*lines, *map(_line, self.groups)])


def fields_text(info: BankInfo, rows: int, size: int) -> str:
    """What a bank is valid for and how it was made, a field a line.

    Args:
        info: its metadata.
        rows: its latents.
        size: bytes.
    """
    said = {
        **asdict(info),
        "latent_shape": "x".join(map(str, info.latent_shape)),
        "settings": ", ".join(f"{name} {value}" for name, value in info.settings.given().items()),
        "rows": rows,
        "size": size_text(size),
        "accuracy": info.accuracy(),
    }
    lines = [(name, value) for name, value in said.items() if name not in NOT_SHOWN]
    return "\n".join(f"{name:<16}{value if value not in (None, '') else '-'}" for name, value in lines)


def _line(group: Diagnostics) -> str:
    where = "" if group.label is None else f"class {group.label}: "
    return (
        f"{where}log-volume {group.mean_log_volume:.2f} ± {group.std:.2f} (std) over {group.rows} latents, "
        f"{group.rank_deficient} rank-deficient; limits of rho {group.limits}, of the tilt {group.tilt_limits}"
    )


def _finite(values: np.ndarray) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
