"""Training of a flow, one iteration after the other, and its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from math import cos, pi
from typing import Protocol

import torch
from polarprior_training.state import Part, gathered, scattered
from torch import Tensor, nn

from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import Energy
from polarprior_boltzmann.flow import Flow
from polarprior_boltzmann.interpolations import Interpolation, Trainable
from polarprior_boltzmann.losses import continuity_loss, fit_constant, reverse_kl_loss
from polarprior_boltzmann.networks import KernelMLPs, OfTime
from polarprior_boltzmann.recipe import Recipe

START = 0.1
"""What the last layer's weights are shrunk to where the field has a drift to start from."""
DRAWS_FOR_C = 4096
"""Draws of the base whose ways C is fitted on at the end."""


class Problem(Protocol):
    """What a flow is trained for.

    Attributes:
        base: where it starts.
        ends: the times where its ways end.
        goals: what the flow should draw, by name: the time, and the energy there.
        drift: [K], what the field starts as, on the mean over time; None for the paper's start.
    """

    @property
    def base(self) -> GeneralisedGaussian:
        """See the class."""
        ...

    @property
    def ends(self) -> Sequence[float]:
        """See the class."""
        ...

    @property
    def drift(self) -> Tensor | None:
        """See the class."""
        ...

    @property
    def goals(self) -> Mapping[str, tuple[float, Energy]]:
        """See the class."""
        ...

    def interpolation(self, recipe: Recipe, noise: torch.Generator) -> Interpolation:
        """The family of energies between."""
        ...


class Networks(nn.Module):
    """All that is trained.

    Attributes:
        field: V.
        constant: C, for a continuity loss alone.
        interpolation: f, for a continuity loss alone; it has parameters of its own where it is trainable.
    """

    def __init__(self, problem: Problem, recipe: Recipe, noise: torch.Generator):
        super().__init__()
        dim, size = problem.base.dim, {"width": recipe.width, "layers": recipe.layers}
        span = (min(0.0, *problem.ends), max(problem.ends))
        self.field = KernelMLPs.initial(dim, dim, kernels=recipe.kernels, span=span, noise=noise, **size)
        if problem.drift is not None:
            with torch.no_grad():
                over_time = self.field.kernel(torch.linspace(*span, 101)).sum(1).mean()
                self.field.biases[-1][:, 0] = problem.drift / over_time
                self.field.weights[-1].mul_(START)
        if recipe.loss == "continuity":
            self.constant = OfTime(noise=noise, **size)
            self.interpolation = problem.interpolation(recipe, noise)


class Training:
    """A flow on its way.

    Args:
        problem: what it is trained for.
        recipe: how.
        device: where; what is random is drawn on the CPU, so that it is the same everywhere.

    Attributes:
        done: iterations so far.
        loss: of the last one; NaN before the first.
    """

    def __init__(self, problem: Problem, recipe: Recipe, device: torch.device | str = "cpu"):
        self.problem, self.recipe = problem, recipe
        self._noise = torch.Generator().manual_seed(recipe.seed)
        self._networks = Networks(problem, recipe, self._noise).to(device)
        self._adam = torch.optim.Adam(self._networks.parameters(), recipe.rate)
        self.done = 0
        self.loss = float("nan")

    @property
    def finished(self) -> bool:
        """Whether all iterations are done."""
        return self.done >= self.recipe.iterations

    @property
    def field(self) -> KernelMLPs:
        """V as it is now."""
        return self._networks.field

    @property
    def constant(self) -> OfTime | None:
        """C as it is now; None with reverse KL, which learns none."""
        return getattr(self._networks, "constant", None)

    def fitted_constant(self) -> OfTime | None:
        """C as `fit_constant` makes it of the field as it is now; None with reverse KL."""
        if self.constant is None:
            return None
        noise = torch.Generator().manual_seed(self.recipe.seed)
        z = self.problem.base.sample(DRAWS_FOR_C, noise).to(self.field.device)
        found = deepcopy(self.constant)
        fit_constant(found, self.field, self._networks.interpolation, z, self.problem.ends)
        return found

    @property
    def f_theta(self) -> KernelMLPs | None:
        """The network of a trainable interpolation as it is now; None where that is another."""
        family = getattr(self._networks, "interpolation", None)
        return family.network if isinstance(family, Trainable) else None

    def flow(self, end: float = 1.0) -> Flow:
        """The flow as it is now, to the time `end`."""
        return Flow(self.problem.base, self.field, end)

    def advance(self) -> float:
        """One iteration; returns its loss.

        Raises:
            FloatingPointError: the loss or a weight is not finite any more; this training is lost then.
        """
        recipe, networks = self.recipe, self._networks
        for group in self._adam.param_groups:
            group["lr"] = recipe.rate * cos(pi / 2 * self.done / recipe.iterations)
        z = self.problem.base.sample(recipe.batch, self._noise).to(self.field.device)
        if recipe.loss == "continuity":
            loss = continuity_loss(
                networks.field,
                networks.constant,
                networks.interpolation,
                recipe.widen * z,
                recipe.steps,
                self.problem.ends,
                recipe.rule,
                recipe.form,
                recipe.thin,
            )
        else:
            ((_, target),) = self.problem.goals.values()
            loss = reverse_kl_loss(networks.field, self.problem.base, target, z, recipe.steps, recipe.rule)
        if not bool(loss.isfinite()):
            raise FloatingPointError(f"iteration {self.done}: the loss is {loss.item():g}")
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        self._adam.step()
        if not all(bool(each.isfinite().all()) for each in self._networks.parameters()):
            raise FloatingPointError(f"iteration {self.done}: a weight is not finite any more")
        self.done += 1
        self.loss = loss.item()
        return self.loss

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs, by name."""
        return gathered(self._parts()) | {"noise": self._noise.get_state(), "done": torch.tensor(self.done)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken, to the same weights as without a break.

        Raises:
            KeyError, RuntimeError, ValueError: it is of another problem or recipe.
        """
        scattered(self._parts(), state, begun=int(state["done"]) > 0)
        self._noise.set_state(state["noise"])
        self.done = int(state["done"])

    def _parts(self) -> dict[str, Part]:
        return {"networks": self._networks, "adam": self._adam}
