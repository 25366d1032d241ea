"""A strength that travels between models: the tilt, which is rho times the standard deviation of the log-volume."""

from __future__ import annotations

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.errors import BankError
from polarprior.law.hold import mean_and_std
from polarprior.law.joint import shares_of
from polarprior.law.limits import SAME_VOLUME
from polarprior.strength import check_strength


def rho_at(
    rho: float, tilt: float | None, bank: Bank, k: int, label: int | None = None, joint: bool = False
) -> float:
    """Give rho, or where there is a tilt its rho: tilt / std(l_k), so that a tilt of -0.5 is as strong in another
    model, k or space.

    Args:
        rho: the polarity.
        tilt: in standard deviations of the log-volume; None for that rho.
        bank: the standard deviation is that of its rows of full rank, of the class `label` or of all where None.
        k: singular values in the log-volume.
        joint: the law is one of latents and classes together, in which all classes weigh the same.

    Raises:
        UsageError: both are given, or a tilt that is no finite number.
        BankError: the log-volume is the same in all rows, or no row has full rank.
    """
    check_strength(rho or None, tilt)
    if not tilt:
        return rho
    rows = bank.rows_of(label)
    log_volume = bank.log_volume(k)[rows]
    finite = np.isfinite(log_volume)
    known = log_volume[finite]
    shares = shares_of(bank.labels[rows][finite]) if joint and bank.labels is not None else None
    std = float(mean_and_std(known, shares)[1]) if known.size else 0.0
    if std <= SAME_VOLUME * max(1.0, float(np.abs(known).max(initial=0.0))):
        raise BankError(
            f"bank: the log-volume of {k} singular values is the same in all of its {known.size} rows of full rank: "
            "no rho has a tilt there",
            "measure volume in another space, or with another k",
        )
    return tilt / std
