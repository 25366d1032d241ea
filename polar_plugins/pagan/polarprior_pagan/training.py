"""Training of a PAGAN: a recipe, and Algorithm 1 of the seed one iteration after the other."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import torch
from polarprior.errors import UsageError
from polarprior.measure.reference import scaled
from torch import Tensor, nn
from torch.nn.utils import parametrize

from polarprior_pagan.augmentations import Augmentation
from polarprior_pagan.matching import MATCHINGS
from polarprior_pagan.networks import PAIRS, SIZES, Encoder, Generator, OfImages, OfLatents, OfPairs, normalise
from polarprior_pagan.penalty import gradient_penalty

RECONSTRUCTIONS = ("pairs", "l1")


@dataclass(frozen=True)
class Recipe:
    """How a PAGAN is trained. The defaults are for digits on a CPU; the seed's own settings are in brackets.

    Attributes:
        size, channels: of the images.
        latent_dim: K (128).
        width: the generator's channels at the bottom (512).
        judge_width: those of the encoder and the discriminators (512).
        deep: 3 x 3 convolutions between the strides of the encoder and the discriminators (yes).
        pairs: how the discriminator of pairs sees them, one of `PAIRS`.
        matching: one of `polarprior_pagan.matching.MATCHINGS`; ``wasserstein`` has gradient penalties in place of
            spectral norms.
        reconstruction: ``pairs``, judged; ``l1``, the mean absolute difference times `l1`.
        l1: that factor.
        augment: one of `polarprior_pagan.augmentations.AUGMENTATIONS`, or ``torch:MODULE:FUNCTION``.
        gain: spectral norm of each layer of the discriminators (1); 0 for none.
        penalty: weight of the gradient penalties of ``wasserstein``.
        independent: these draw a share for each of a pair, eq. 39, in place of one for both, eq. 38.
        judge_steps: steps of the discriminators an iteration (1; 10 for Wasserstein).
        iterations, batch: how many, and images in each (100,000 of 64).
        rate, beta_1, beta_2: of Adam (2e-4, 0 and 0.9).
        average: what an iteration leaves of the averaged weights, which are those that are kept.
        patience: end after so many iterations without a lower Frechet distance, and keep the weights that had the
            lowest; 0 for neither.
        seed: of all that is random.
    """

    size: int = 32
    channels: int = 1
    latent_dim: int = 16
    width: int = 64
    judge_width: int = 32
    deep: bool = False
    pairs: str = "width"
    matching: str = "gan"
    reconstruction: str = "pairs"
    l1: float = 10.0
    augment: str = "shift"
    gain: float = 2.0
    penalty: float = 10.0
    independent: bool = False
    judge_steps: int = 1
    iterations: int = 12_000
    batch: int = 64
    rate: float = 4e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    average: float = 0.999
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for option, value, known in (
            ("--size", self.size, SIZES),
            ("--pairs", self.pairs, PAIRS),
            ("--matching", self.matching, tuple(MATCHINGS)),
            ("--reconstruction", self.reconstruction, RECONSTRUCTIONS),
        ):
            if value not in known:
                raise UsageError(
                    f"{option}: got {value!r}, expected one of {', '.join(map(str, known))}",
                    f"use {option} {known[0]}",
                )
        if self.width % (self.size // 4) or self.judge_width % (self.size // 4):
            raise UsageError(
                f"--width, --judge-width: got {self.width} and {self.judge_width}, expected multiples of "
                f"{self.size // 4} for {self.size} pixels",
                "use such as --width 128 --judge-width 64",
            )
        for name, least in (("gain", "0 or more"), ("rate", "above 0"), ("l1", "above 0"), ("penalty", "above 0")):
            value = getattr(self, name)
            if not isfinite(value) or value < 0 or (value == 0 and least == "above 0"):
                raise UsageError(f"--{name}: got {value}, expected a number {least}", f"leave out --{name}")


class Networks(nn.Module):
    """All that is trained.

    Attributes:
        generator, encoder: G and E.
        of_images, of_latents, of_pairs: discriminators; the last where reconstructions are judged.
    """

    def __init__(self, recipe: Recipe):
        super().__init__()
        shape = (recipe.size, recipe.channels)
        self.generator = Generator(*shape, recipe.latent_dim, recipe.width)
        self.encoder = Encoder(*shape, recipe.latent_dim, recipe.judge_width, recipe.deep)
        self.of_images = OfImages(*shape, recipe.judge_width, recipe.deep)
        self.of_latents = OfLatents(recipe.latent_dim)
        judges: list[nn.Module] = [self.of_images, self.of_latents]
        if recipe.reconstruction == "pairs":
            self.of_pairs = OfPairs(*shape, recipe.judge_width, recipe.deep, recipe.pairs)
            judges.append(self.of_pairs)
        for judge in judges:
            if recipe.gain and recipe.matching != "wasserstein":
                normalise(judge, recipe.gain)

    def makers(self) -> list[nn.Parameter]:
        """Parameters of generator and encoder."""
        return [*self.generator.parameters(), *self.encoder.parameters()]

    def judges(self) -> list[nn.Parameter]:
        """Parameters of the discriminators."""
        makers = {id(each) for each in self.makers()}
        return [each for each in self.parameters() if id(each) not in makers]


class Training:
    """A PAGAN on its way.

    Args:
        images: uint8 [n, size, size, channels], to train on.
        recipe: how.
        augment: what its `augment` names, see `polarprior_pagan.augmentations.named`.
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
        rates = {"lr": recipe.rate, "betas": (recipe.beta_1, recipe.beta_2)}
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
        x = scaled(self._images[rows.numpy()]).to(self.device)
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
                    kept.copy_(kept.lerp(now[key], share) if kept.is_floating_point() else now[key])

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs, by name."""
        found = {
            "noise": self._noise.get_state(),
            "done": torch.tensor(self.done),
            "best": torch.tensor(self.best, dtype=torch.float64),
            "best_at": torch.tensor(self.best_at),
        }
        for part, module in self._modules():
            found |= {f"{part}.{name}": each for name, each in module.state_dict().items()}
        for part, adam in self._adams():
            for index, kept in adam.state_dict()["state"].items():
                found |= {f"{part}.{index}.{name}": each for name, each in kept.items()}
        return {name: each.detach().cpu().clone() for name, each in found.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on where `state` was taken, to the same weights as without a break.

        Raises:
            KeyError, RuntimeError, ValueError: it is of another recipe.
        """
        for part, module in self._modules():
            module.load_state_dict({name: state[f"{part}.{name}"] for name in module.state_dict()})
        for part, adam in self._adams():
            whole = adam.state_dict()
            if int(state["done"]):
                whole["state"] = {
                    index: {name: state[f"{part}.{index}.{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
                    for index in whole["param_groups"][0]["params"]
                }
                adam.load_state_dict(whole)
        self._noise.set_state(state["noise"])
        self.done, self.best_at = int(state["done"]), int(state["best_at"])
        self.best = float(state["best"])

    def _modules(self) -> tuple[tuple[str, nn.Module], ...]:
        return (("networks", self.networks), ("averaged", self.averaged), ("kept", self.kept))

    def _adams(self) -> tuple[tuple[str, torch.optim.Adam], ...]:
        return (("of_makers", self._of_makers), ("of_judges", self._of_judges))


def losses(
    networks: Networks, recipe: Recipe, x: Tensor, augment: Augmentation, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """The loss of the discriminators, and that of generator and encoder, on real images x [n, C, H, W].

    Algorithm 1 writes a loss for G and one for E. They share the term of the pairs, and their others depend on one of
    the two alone: their sum, with that term once, has the same gradients.
    """
    matching = MATCHINGS[recipe.matching]
    z = torch.randn(len(x), recipe.latent_dim, generator=noise).to(x)
    encoded = networks.encoder.draw(x, noise)
    made, again = networks.generator(torch.cat([z, encoded])).chunk(2)
    games: list[tuple[nn.Module, tuple[Tensor, ...], tuple[Tensor, ...]]] = [
        (networks.of_images, (x,), (made,)),
        (networks.of_latents, (z,), (encoded,)),
    ]
    of_judges, of_makers = x.new_zeros(()), x.new_zeros(())
    if recipe.reconstruction == "pairs":
        games.append((networks.of_pairs, (x, augment(x, noise)), (x, again)))
    else:
        of_makers = of_makers + recipe.l1 * (again - x).abs().mean()
    for judge, real, fake in games:
        of_fake = judge(*fake)
        of_judges = of_judges + matching.judge(judge(*real), of_fake)
        of_makers = of_makers + matching.maker(of_fake)
        if recipe.matching == "wasserstein":
            penalty = gradient_penalty(judge, real, fake, noise, recipe.independent)
            of_judges = of_judges + recipe.penalty * penalty
    return of_judges, of_makers
