"""Training of a PAGAN: Algorithm 1 of the paper, one iteration after the other."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from polarprior.plugin import from_uint8
from polarprior_training.augmentations import Augmentation
from polarprior_training.state import Part, gathered, scattered
from torch import Tensor, nn
from torch.nn.utils import parametrize

from polarprior_pagan.losses import Networks, losses
from polarprior_pagan.recipe import Recipe


class Training:
    """A PAGAN on its way.

    Args:
        images: uint8 [n, size, size, channels], to train on.
        recipe: how.
        augment: what its `augment` names, see `polarprior_training.augmentations.named`.
        device: where; all that is random is drawn on the CPU.

    Attributes:
        done: iterations so far.
        loss: of generator and encoder in the last one; NaN before the first.
        networks: as they are.
        averaged: generator and encoder with averaged weights.
        best, best_at: the lowest distance that `judged` was told, and when; infinity and 0 before.
    """

    def __init__(self, images: Any, recipe: Recipe, augment: Augmentation, device: torch.device | str = "cpu"):
        self.recipe, self.device = recipe, device
        self._images = images
        self._augment = augment
        self._noise = torch.Generator().manual_seed(recipe.seed)
        with torch.random.fork_rng(devices=[]):  # the starting weights: torch's layers know no other stream
            torch.manual_seed(recipe.seed)
            self.networks = Networks(recipe).to(device)
        self.averaged = nn.ModuleDict(
            {name: copy.deepcopy(getattr(self.networks, name)).eval() for name in ("generator", "encoder")}
        ).requires_grad_(False)
        self.kept = copy.deepcopy(self.averaged)
        rates: dict[str, Any] = {"lr": recipe.rate, "betas": (recipe.beta_1, recipe.beta_2)}
        self._of_makers = torch.optim.Adam(self.networks.makers(), **rates)
        self._of_judges = torch.optim.Adam(self.networks.judges(), **rates)
        self.done, self.loss = 0, float("nan")
        self.best, self.best_at = float("inf"), 0

    @property
    def finished(self) -> bool:
        """Whether all iterations are done, or the distance has not fallen for `patience` of them."""
        patience = self.recipe.patience
        return self.done >= self.recipe.iterations or bool(patience and self.done - self.best_at >= patience)

    def judged(self, distance: float) -> None:
        """Tell how far the averaged generator is from held-out images: its weights are kept where that is a low."""
        if distance < self.best:
            self.best, self.best_at = distance, self.done
            self.kept.load_state_dict(self.averaged.state_dict())

    def advance(self) -> float:
        """One iteration of Algorithm 1; returns the loss of generator and encoder.

        Raises:
            FloatingPointError: a loss is not finite.
        """
        for _ in range(self.recipe.judge_steps - 1):
            self._step(makers=False)
        self.loss = self._step(makers=True)
        self._average()
        self.done += 1
        return self.loss

    def _step(self, makers: bool) -> float:
        """A step of the discriminators and, where `makers`, of generator and encoder, on one batch: all gradients are
        taken before anything moves, as in Algorithm 1."""
        networks, recipe = self.networks, self.recipe
        rows = torch.randint(len(self._images), (recipe.batch,), generator=self._noise)
        x = from_uint8(self._images[rows.numpy()]).to(self.device)
        with parametrize.cached():  # a spectral norm is taken once a step
            of_judges, of_makers = losses(networks, recipe, x, self._augment, self._noise)
        for loss in (of_judges, of_makers):
            if not bool(loss.isfinite()):
                raise FloatingPointError(f"iteration {self.done}: a loss is {loss.item():g}")
        of = [(self._of_judges, networks.judges(), of_judges)]
        of += [(self._of_makers, networks.makers(), of_makers)] * makers
        slopes = [torch.autograd.grad(loss, each, retain_graph=True) for _, each, loss in of]
        for (adam, each, _), slope in zip(of, slopes, strict=True):
            for parameter, its in zip(each, slope, strict=True):
                parameter.grad = its
            adam.step()
            adam.zero_grad(set_to_none=True)
        return of_makers.item()

    def _average(self) -> None:
        share = max(1 - self.recipe.average, 9 / (10 + self.done))  # the first ones count for less
        with torch.no_grad():
            for name, network in self.averaged.items():
                now = getattr(self.networks, name).state_dict()
                for key, kept in network.state_dict().items():
                    if kept.is_floating_point():
                        kept.lerp_(now[key], share)
                    else:
                        kept.copy_(now[key])

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs, by name."""
        found = gathered(self._parts()) | {
            "noise": self._noise.get_state(),
            "done": torch.tensor(self.done),
            "best": torch.tensor(self.best, dtype=torch.float64),
            "best_at": torch.tensor(self.best_at),
        }
        return {name: each.detach().cpu().clone() for name, each in found.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken, to the same weights as without a break.

        Raises:
            KeyError, RuntimeError, ValueError: it is of another recipe.
        """
        scattered(self._parts(), state, begun=int(state["done"]) > 0)
        self._noise.set_state(state["noise"])
        self.done, self.best_at = int(state["done"]), int(state["best_at"])
        self.best = float(state["best"])

    def _parts(self) -> dict[str, Part]:
        return {
            "networks": self.networks,
            "averaged": self.averaged,
            "kept": self.kept,
            "of_makers": self._of_makers,
            "of_judges": self._of_judges,
        }
