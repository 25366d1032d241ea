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
from polarprior.law.geometry import Geometry, geometry_of
from polarprior.law.support import QUANTILES
from polarprior.samplers.true_volumes import LogVolumes
from polarprior.stages import stage

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
    geometry: Geometry,
    label: int | None = None,
    starts: int = STARTS,
) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Where the polarity prior peaks on a few lines.

    The lines start at the rows of greatest weight and follow the direction in which the log-volume changes most on
    the whole, Cov(z, l), in steps of a standard deviation of the prior. Takes 9 Jacobians a line.

    Args:
        generator: the model.
        bank: of its latents.
        rho, k, label: of the law.
        jacobian_of: gives the generator's Jacobians.
        geometry: of its prior, with a log-density.
        starts: lines.

    Returns:
        The peaks z [starts, *shape]; the log of how much greater p(z) exp(rho · l) is there than at any of the rows
        that the lines start at, [starts]; their l_k, [starts].
    """
    assert geometry.log_density is not None
    rows = bank.rows_of(label)[:LOOKED_AT]
    log_volume = bank.log_volume(k)[rows]
    rows, log_volume = rows[np.isfinite(log_volume)], log_volume[np.isfinite(log_volume)]
    deviation = torch.from_numpy(log_volume - log_volume.mean())
    slope = torch.zeros(generator.prior.dim, dtype=torch.float64)
    for batch in torch.arange(len(rows)).split(BATCH):
        slope += deviation[batch] @ generator.prior.draw(bank.seeds[rows[batch]]).z.flatten(1).double()
    direction = np.sign(rho) * geometry.scale * slope / slope.norm().clamp_min(1e-12)
    first = rows[np.argsort(rho * log_volume)[::-1][:starts]]
    heaviest = generator.prior.draw(bank.seeds[first]).z.flatten(1).double()
    points = heaviest[:, None] + torch.arange(STEPS, dtype=torch.float64)[:, None] * direction
    shaped = points.float().reshape(-1, *generator.prior.shape)
    labels = None if label is None else torch.full((len(shaped),), label)
    known = LogVolumes(generator, bank, k, jacobian_of)
    with known.keeping():
        volumes = known(Latents(shaped, labels)).reshape(len(heaviest), STEPS)
    there = geometry.log_density(points.reshape(-1, *generator.prior.shape)).reshape(len(heaviest), STEPS)
    density = np.where(np.isfinite(volumes), rho * volumes, -np.inf) + there
    best = density.argmax(1)
    lines = np.arange(len(heaviest))
    found = shaped.reshape(len(heaviest), STEPS, *generator.prior.shape)[lines, best]
    return found, density[lines, best] - density[:, 0].max(), volumes[lines, best]


def warn_if_it_leaves(
    generator: Generator, bank: Bank, report: Diagnostics, jacobian_of: JacobianOf, geometry: Geometry | None = None
) -> None:
    """Beyond the limits, where the prior has a density: warn where the law peaks outside the shell.

    Within the limits there is nothing to look for: there the bank's rows, all from the prior, carry the law. A joint
    law is not looked at: it has no one class to follow lines in.
    """
    geometry = geometry or geometry_of(generator)
    told = geometry.log_density is not None and geometry.lengths is not None and report.classes is None
    if report.within_limits or not told or report.support != "prior":
        return
    try:
        with stage("looking for where the law beyond the limits peaks"):
            found, gain, _ = peaks(generator, bank, report.rho, report.k, jacobian_of, geometry, report.label)
    except PluginError:  # so far out the model may overflow
        return
    assert geometry.lengths is not None
    lengths = geometry.lengths(found)
    prior = generator.prior.draw(bank.seeds[bank.rows_of(report.label)[:BATCH]]).z
    shell = np.quantile(geometry.lengths(prior), 1 - QUANTILES[0] / lengths.shape[1], axis=0)
    outside = np.flatnonzero((lengths > shell).any(1) & (gain > 0))
    if outside.size:
        furthest = outside[gain[outside].argmax()]
        part = int((lengths[furthest] / shell).argmax())
        what = "|z|" if len(shell) == 1 else f"part {part + 1} of {len(shell)} of z has the length"
        warn(
            f"at rho {report.rho:g} the polarity prior leaves the shell where the model's latents live: at "
            f"{what} {lengths[furthest, part]:.3g} its density is exp({gain[furthest]:.3g}) times that of the bank's "
            f"heaviest rows, and {QUANTILES[1]:.1%} of the prior is below {shell[part]:.3g}; support=shell keeps to "
            "it, and support=clamp to the bank's log-volumes"
        )
