"""A table of what rho does to the weights of a bank's rows."""

from __future__ import annotations

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.law.diagnostics import diagnose
from polarprior.law.limits import Limits, floor_to
from polarprior.tables import table

STEPS = (2, 1.5, 1, 0.5)
"""Rows of the table, as shares of a limit."""


def table_over_rho(bank: Bank, label: int | None, limits: Limits) -> str:
    """Rows from twice the lower limit of rho to twice the upper one, as aligned text.

    Args:
        bank: whose rows are weighted.
        label: their class; all of them where None.
        limits: of rho, on these rows.
    """
    if not np.isfinite(limits).all() or limits.lower == limits.upper:
        return "no table over rho: the limits are 0 or infinite"
    steps = [floor_to(limit * part) for limit in limits for part in STEPS]
    log_volume = bank.log_volume()[bank.rows_of(label)]
    lines = [("rho", "tilt", "ESS", "k-hat", "largest", "mean l", "ESS / rows")]
    for rho in sorted({0.0, *steps}):
        found = diagnose(log_volume, rho, bank.info.k, label=label, limits=limits)
        bar = "█" * round(20 * found.ess / found.rows)
        cells = (
            f"{rho:g}",
            f"{found.tilt:.2f}",
            f"{found.ess:.0f}",
            f"{found.k_hat:.2f}",
            f"{found.max_weight:.1g}",
            f"{found.mean_log_volume:.2f}",
        )
        lines.append((*cells, bar + ("" if found.within_limits else " beyond the limits")))
    return table(lines)
