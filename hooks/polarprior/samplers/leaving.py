"""Does a polarity prior still live where the model's latents do? What a bank alone can't see."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from polarprior.bank.bank import Bank
from polarprior.errors import PluginError, warn
from polarprior.generator import Generator, Latents
from polarprior.jacobian.of_generator import JacobianOf
from polarprior.law.diagnostics import Diagnostics
from polarprior.law.rows import lengths
from polarprior.law.support import QUANTILES
from polarprior.samplers.true_volumes import LogVolumes

LOOKED_AT = 4000
"""Rows of the bank from which the direction and the shell are taken, at most."""
STARTS, STEPS = 4, 9
BATCH = 512


def peaks(
    generator: Generator,
    bank: Bank,
    rho: float,
    k: int,
    jacobian_of: JacobianOf,
    label: int | None = None,
    starts: int = STARTS,
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Where the polarity prior peaks on a few lines.

    The lines start at the rows of greatest weight and follow the direction in which the log-volume changes most on
    the whole, Cov(z, l), in steps of a standard deviation of the prior. Takes 9 Jacobians a line.

    Args:
        generator: its prior must be the standard normal one.
        bank: of its latents.
        rho, k, label: of the law.
        jacobian_of: gives the generator's Jacobians.
        starts: lines.

    Returns:
        The peaks z [starts, *shape]; the log of how much greater p(z) exp(rho · l) is there than at any of the rows
        that the lines start at, [starts]; their l_k, [starts].
    """
    rows = bank.rows_of(label)[:LOOKED_AT]
    log_volume = bank.log_volume(k)[rows]
    rows, log_volume = rows[np.isfinite(log_volume)], log_volume[np.isfinite(log_volume)]
    deviation = torch.from_numpy(log_volume - log_volume.mean())
    slope = torch.zeros(generator.prior.dim, dtype=torch.float64)
    for batch in torch.arange(len(rows)).split(BATCH):
        slope += deviation[batch] @ generator.prior.draw(bank.seeds[rows[batch]]).z.flatten(1).double()
    direction = np.sign(rho) * slope / slope.norm().clamp_min(1e-12)
    first = rows[np.argsort(rho * log_volume)[::-1][:starts]]
    heaviest = generator.prior.draw(bank.seeds[first]).z.flatten(1).double()
    points = heaviest[:, None] + torch.arange(STEPS, dtype=torch.float64)[:, None] * direction
    shaped = points.float().reshape(-1, *generator.prior.shape)
    labels = None if label is None else torch.full((len(shaped),), label)
    known = LogVolumes(generator, bank, k, jacobian_of)
    with known.keeping():
        volumes = known(Latents(shaped, labels)).reshape(len(heaviest), STEPS)
    density = rho * volumes - points.square().sum(2).numpy() / 2
    best = np.where(np.isfinite(volumes), density, -np.inf).argmax(1)
    lines = np.arange(len(heaviest))
    found = shaped.reshape(len(heaviest), STEPS, *generator.prior.shape)[lines, best]
    return found, density[lines, best] - density[:, 0].max(), volumes[lines, best]


def warn_if_it_leaves(generator: Generator, bank: Bank, report: Diagnostics, jacobian_of: JacobianOf) -> None:
    """Beyond the limits, on a normal prior: warn where the law peaks outside the shell.

    Within the limits there is nothing to look for: there the bank's rows, all from the prior, carry the law.
    """
    looks = generator.prior.name == "normal" and not generator.normalizes_latent and report.support == "prior"
    if report.within_limits or not looks:
        return
    try:
        found, gain, _ = peaks(generator, bank, report.rho, report.k, jacobian_of, report.label)
    except PluginError:  # so far out the model may overflow
        return
    radius = lengths(generator, found)
    prior = generator.prior.draw(bank.seeds[bank.rows_of(report.label)[:BATCH]]).z
    shell = float(np.quantile(lengths(generator, prior), QUANTILES[1]))
    outside = np.flatnonzero((radius > shell) & (gain > 0))
    if outside.size:
        furthest = outside[gain[outside].argmax()]
        warn(
            f"at rho {report.rho:g} the polarity prior leaves the shell where the model's latents live: at "
            f"|z| {radius[furthest]:.3g} its density is exp({gain[furthest]:.3g}) times that of the bank's heaviest "
            f"rows, and 99.5% of the prior is below {shell:.3g}; support=shell keeps to it, and support=clamp "
            "to the bank's log-volumes"
        )
