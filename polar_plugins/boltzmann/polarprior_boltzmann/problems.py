"""The paper's problems by name, and any energy of a user's: what the flow starts from, and where it should arrive."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import torch
from polarprior.plugin import PolarPriorError, UsageError, made_by_the_user, named_by_the_user, nearest
from torch import Tensor

from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import DoubleWell, Energy, GaussianMixture, four_gaussians, two_gaussians
from polarprior_boltzmann.interpolations import Diffusion, Interpolation, Linear, Trainable
from polarprior_boltzmann.networks import KernelMLPs
from polarprior_boltzmann.recipe import Recipe

INTERPOLATIONS = ("trainable", "linear", "diffusion")
NAMES = ("four-gaussians", "two-gaussians", "double-well:N,M", "torch:MODULE:FUNCTION")


@dataclass(frozen=True, eq=False)
class Between:
    """A base, and a target with an energy.

    Attributes:
        base: f_0.
        target: f_1.
        ends: time 1 alone.
        drift: none.
    """

    base: GeneralisedGaussian
    target: Energy
    ends: Sequence[float] = (1.0,)
    drift: Tensor | None = None

    @property
    def goals(self) -> Mapping[str, tuple[float, Energy]]:
        """The target at time 1."""
        return {"target": (1.0, self.target)}

    def interpolation(self, recipe: Recipe, noise: torch.Generator) -> Interpolation:
        """The one that the recipe names.

        Raises:
            UsageError: no such name, or a diffusion of what is no Gaussian mixture.
        """
        if recipe.interpolation == "trainable":
            network = KernelMLPs.initial(
                self.base.dim, 1, width=recipe.width, layers=recipe.layers, kernels=recipe.kernels, noise=noise
            )
            return Trainable(self.base, self.target, network)
        return between(self.base, self.target, recipe.interpolation)


def between(base: GeneralisedGaussian, target: Energy, name: str) -> Interpolation:
    """An interpolation without networks, by its name.

    Raises:
        UsageError: no such name, or a diffusion of what is no Gaussian mixture.
    """
    if name == "linear":
        return Linear(base, target)
    if name == "diffusion" and isinstance(target, GaussianMixture) and base.p == 2:
        return Diffusion(target, base.std)
    raise UsageError(
        f"interpolation: got {name!r}, expected one of {', '.join(INTERPOLATIONS)}, the last one of a Gaussian "
        "mixture",
        "use interpolation=trainable",
    )


def problem_named(name: str, base_std: float | None = None) -> Between:
    """The problem of an energy by its name.

    Args:
        name: ``four-gaussians`` (eq. 2), ``two-gaussians`` (eq. 18), ``double-well:N,M`` (eq. 27, N points, mass M),
            or ``torch:MODULE:FUNCTION``, which gives an `Energy`.
        base_std: of a normal base; the paper's own base where None, standard normal for a user's energy.

    Raises:
        UsageError: no such name.
        PolarPriorError: the function gives something else, or only a file names it.
    """
    if base_std is not None and not (isfinite(base_std) and base_std > 0):
        raise UsageError(f"base_std: got {base_std}, expected a number above 0", "use such as base_std=2")
    if name == "four-gaussians":
        return Between(_normal(2, base_std, 1.0), four_gaussians())
    if name == "two-gaussians":
        return Between(_normal(2, base_std, 2.0), two_gaussians())
    if match := re.fullmatch(r"double-well:(\d{1,4}),(\d{1,4}(?:\.\d{1,6})?)", name):
        points, mass = int(match[1]), float(match[2])
        if points >= 2 and mass > 0:
            base = GeneralisedGaussian(points, 4.0, 1.0) if base_std is None else _normal(points, base_std, 1.0)
            return Between(base, DoubleWell(points, mass))
    if name.startswith("torch:"):
        named_by_the_user("energy", name, tuple)
        example = "torch:my_module:make_energy, a function in my_module.py that returns an Energy"
        target, _ = made_by_the_user("energy", name.removeprefix("torch:"), example, {})
        if not isinstance(target, Energy):
            raise PolarPriorError(
                f"energy: {name} gave {type(target).__name__}, expected an Energy",
                "return polarprior_boltzmann.energies.OfFunction(function, dim)",
            )
        return Between(_normal(target.dim, base_std, 1.0), _checked(target, name))
    raise UsageError(
        f"energy: got {name!r}, expected one of {', '.join(NAMES)}",
        f"use energy={nearest(name, ('four-gaussians', 'two-gaussians', 'double-well:16,1.5'))}",
    )


def _checked(target: Energy, name: str) -> Energy:
    """The energy, if it keeps its contract on two points."""
    hint = "let it take x [n, K] to [n], each row on its own, with torch"
    try:
        points = torch.linspace(-1, 1, 2 * target.dim).reshape(2, target.dim)
        value, slope = target.with_gradient(points)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
        raise PolarPriorError(f"energy: {name} can't be evaluated at two points: {reason}", hint) from error
    if value.shape != (2,) or slope.shape != (2, target.dim) or not bool(value.isfinite().all()):
        got = f"{list(value.shape)} and {list(slope.shape)}, {value.tolist()}"
        raise PolarPriorError(f"energy: {name} gave {got} for two points, expected [2] and [2, K], finite", hint)
    return target


def _normal(dim: int, asked: float | None, usual: float) -> GeneralisedGaussian:
    return GeneralisedGaussian.normal(dim, usual if asked is None else asked)
