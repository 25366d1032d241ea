"""The curves of the page, as SVG that a reader of the page hears described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import polarprior as pp
from polarprior.foreign import in_html
from polarprior.law.psis import TRUSTED_K_HAT
from polarprior.reports.plots import as_svg, axes_of

BINS = 60


def spectrum(own: np.ndarray, mean: np.ndarray, std: np.ndarray) -> str:
    """A latent's singular values against the bank's."""
    figure, axes = axes_of("singular value", "log sigma")
    x = np.arange(1, len(own) + 1)
    axes.fill_between(x, mean - std, mean + std, alpha=0.25, label="the bank, ± one std")
    axes.plot(x, mean, lw=1)
    axes.plot(x, own, "o-", ms=3, lw=1, label="this latent")
    axes.legend(fontsize=8, frameon=False)
    return _described(figure, "Spectrum of this latent beside the mean of the bank")


def volumes(log_volume: np.ndarray, weights: np.ndarray, rho: float) -> str:
    """The log-volumes of a bank, and the same by the weights of a law."""
    figure, axes = axes_of("log-volume, nats", "share of latents")
    there = np.isfinite(log_volume)
    values, edges = log_volume[there], np.histogram_bin_edges(log_volume[there], BINS)
    axes.hist(values, edges, weights=np.full(len(values), 1 / len(values)), alpha=0.5, label="the model's own prior")
    axes.hist(values, edges, weights=weights[there], alpha=0.5, label=f"rho {rho:.3g}")
    axes.legend(fontsize=8, frameon=False)
    return _described(figure, f"Log-volumes of the bank, and of what is drawn at rho {rho:.3g}")


def over_rho(found: Sequence[pp.Diagnostics], rho: float) -> str:
    """Effective sample size and k-hat against rho, with the limits."""
    x, limits = [each.rho for each in found], found[0].limits
    panels = []
    for name, values, level, said in (
        ("effective sample size", [each.ess for each in found], found[0].ess_needed, "needed"),
        ("k-hat", [each.k_hat for each in found], TRUSTED_K_HAT, "trusted below"),
    ):
        figure, axes = axes_of("rho", name)
        axes.axvspan(max(limits.lower, x[0]), min(limits.upper, x[-1]), alpha=0.15, label="within the limits")
        axes.plot(x, values, lw=1.2)
        axes.axhline(level, color="gray", ls=":", label=said)
        axes.axvline(rho, color="C1", lw=1, label="rho now")
        axes.legend(fontsize=8, frameon=False)
        panels.append(_described(figure, f"{name} against rho; limits {limits}"))
    return f'<div class="pp-curves">{"".join(panels)}</div>'


def _described(figure: Any, what: str) -> str:
    return f'<div class="pp-curve" role="img" aria-label="{in_html(what)}">{as_svg(figure)}</div>'
