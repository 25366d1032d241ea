"""The polarity prior as a problem for a flow: rho is its time, so that one field serves every rho."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from polarprior.plugin import DEFICIENT_SHARE, SAME_VOLUME, Bank, Generator, UsageError
from torch import Tensor

from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import Energy
from polarprior_boltzmann.interpolations import Interpolation, OverRho
from polarprior_boltzmann.recipe import Recipe

ROWS = 20_000
"""Rows of a bank, at most, on which the slope is fitted."""


@dataclass(frozen=True, eq=False)
class OfPolarity:
    """|z|²/2 - rho l(z) for |rho| up to `largest`, from the model's own prior at rho 0.

    Attributes:
        base: the standard normal prior.
        log_volume: l, known everywhere.
        largest: |rho| at the times -1 and 1.
        slope: a = E grad l, [K], see `slope_of`.
        ends: both.
    """

    base: GeneralisedGaussian
    log_volume: Energy
    largest: float
    slope: Tensor
    ends: Sequence[float] = (-1.0, 1.0)

    def interpolation(self, recipe: Recipe, noise: torch.Generator) -> Interpolation:
        """`OverRho`, which needs no networks: a trained one would be for one rho alone."""
        return OverRho(self.log_volume, self.largest)

    @property
    def drift(self) -> Tensor:
        """The field of the linear part of l, which N(rho a, I) follows."""
        return self.largest * self.slope

    @property
    def goals(self) -> Mapping[str, tuple[float, Energy]]:
        """The polarity priors at both ends, by their rho."""
        return {f"{rho:g}": (rho / self.largest, self.energy(rho)) for rho in (-self.largest, self.largest)}

    def energy(self, rho: float) -> Energy:
        """f at rho."""
        return _AtRho(self, rho)


class _AtRho(Energy):
    def __init__(self, problem: OfPolarity, rho: float):
        self._problem, self._rho, self.dim = problem, rho, problem.base.dim

    def __call__(self, x: Tensor) -> Tensor:
        return self._problem.base(x) - self._rho * self._problem.log_volume(x)


def slope_of(bank: Bank, generator: Generator, k: int) -> Tensor:
    """a = E grad l, float32 [K], which for a normal prior is Cov(z, l) (Stein's identity): by least squares of l on
    z. N(rho a, I) is the polarity prior of the linear part of l."""
    volumes = bank.log_volume(k)[:ROWS]
    finite = np.isfinite(volumes)
    z = generator.prior.draw(bank.seeds[:ROWS][finite]).z.flatten(1).double().numpy()
    known = volumes[finite] - volumes[finite].mean()
    return torch.from_numpy(np.linalg.lstsq(z - z.mean(0), known, rcond=None)[0]).float()


def spread_of(bank: Bank, k: int) -> float:
    """Standard deviation of l_k over the rows of a bank, nats.

    Raises:
        UsageError: too many rows have less than k singular values, or l does not vary.
    """
    volumes = bank.log_volume(k)
    finite = np.isfinite(volumes)
    if (~finite).mean() > DEFICIENT_SHARE:
        raise UsageError(
            f"k: {(~finite).sum()} of {len(volumes)} latents have less than {k} nonzero singular values, and would "
            "never be drawn",
            f"use a smaller one, such as k={max(1, k // 2)}",
        )
    spread = float(volumes[finite].std())
    if spread < SAME_VOLUME * max(1.0, float(np.abs(volumes[finite]).max())):
        raise UsageError("bank: its log-volumes do not vary, so that polarity changes nothing", "use another k")
    return spread


def check_normal(generator: Generator) -> None:
    """UsageError unless the prior is standard normal, of a model without classes."""
    if generator.prior.name != "normal" or generator.num_classes is not None or generator.normalizes_latent:
        what = "has classes" if generator.num_classes is not None else f"has a prior of the kind {_kind(generator)}"
        raise UsageError(
            f"model: {generator.plugin} {what}, a flow needs a standard normal prior and no classes",
            "use sampler=online",
        )


def _kind(generator: Generator) -> str:
    return "sphere" if generator.normalizes_latent else generator.prior.name
