"""A picture of a bank for its card; needs matplotlib: ``pip install "polarprior[hub]"``."""

from __future__ import annotations

import io

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.law.limits import floor_to, limits_on
from polarprior.law.weights import polarity_weights

BINS, STEPS = 60, 41


def bank_picture(bank: Bank) -> bytes:
    """Draw the log-volumes of a bank, as they are and at the limits of rho, and the effective sample size against
    rho, as PNG. Where there are no limits for all rows at once, as with classes, only the first without them.
    """
    from matplotlib.figure import Figure

    log_volume = bank.log_volume()
    known = log_volume[np.isfinite(log_volume)]
    limits = limits_on(bank) if bank.info.num_classes is None else None
    ends = [] if limits is None or not np.isfinite(limits).all() else sorted({*limits} - {0.0})
    figure = Figure(figsize=(8, 3), layout="constrained", dpi=120)
    volumes, sizes = figure.subplots(1, 2) if ends else (figure.subplots(), None)
    edges = np.histogram_bin_edges(known, BINS).tolist()
    volumes.hist(known, edges, weights=np.full(len(known), 1 / max(len(known), 1)), alpha=0.4, label="rho 0")
    for rho in ends:
        weights = polarity_weights(known, rho).values
        volumes.hist(known, edges, weights=weights, histtype="step", label=f"rho {floor_to(rho):g}")
    volumes.set(xlabel="log-volume, nats", ylabel="share of latents")
    volumes.legend(fontsize=8, frameon=False)
    if sizes is not None:
        rhos = np.linspace(2 * min(*ends, 0.0), 2 * max(*ends, 0.0), STEPS)
        sizes.plot(rhos, [polarity_weights(log_volume, rho).ess for rho in rhos])
        sizes.axvspan(min(*ends, 0.0), max(*ends, 0.0), alpha=0.15, label="within the limits")
        sizes.set(xlabel="rho", ylabel=f"effective sample size of {len(log_volume):,}")
        sizes.legend(fontsize=8, frameon=False)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
