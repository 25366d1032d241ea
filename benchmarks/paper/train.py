"""Trains the small models of `polarprior-mnist`, one at a time, and writes their weights.

    python benchmarks/paper/train.py wgan [--steps 10] [--out polar_plugins/mnist/polarprior_mnist/weights]

``classifier`` comes first; ``discriminator-NAME`` needs the model NAME. Seeded, one thread; CPU minutes on one core
are in `RECIPES`. The same machine type and torch version give the same bytes.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from data import coloured, digits, grey
from descent import descend, slow_down
from polarprior_mnist.convolutional import ClassConditional
from polarprior_mnist.judges import Classifier, Discriminator
from polarprior_mnist.normalizing import StyleBased
from polarprior_mnist.zoo import LATENT_DIM, MODELS, weights_file, with_weights
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, softplus
from tqdm import trange

BATCH = 64
KEPT = 0.999
"""What a step leaves of the averaged weights."""
DISCRIMINATOR_STEPS = 2000
"""Steps in which a judge of a finished model is trained: 2 CPU minutes."""

Batch = tuple[Tensor, Tensor]


def wasserstein(network: nn.Module, judge: nn.Module, batch: Batch, noise: torch.Generator, step: int) -> Tensor:
    """The critic's loss of WGAN-GP (Gulrajani et al. 2017), penalty 10."""
    real, label = batch
    fake = _fake(network, label, noise).detach()
    share = torch.rand(len(real), 1, 1, 1, generator=noise)
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(_judged(judge, between, label).sum(), between, create_graph=True)
    penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    return (_judged(judge, fake, label) - _judged(judge, real, label)).mean() + 10 * penalty


def logistic(network: nn.Module, judge: nn.Module, batch: Batch, noise: torch.Generator, step: int) -> Tensor:
    """The discriminator's logistic loss, with R1 of weight 1 (Mescheder et al. 2018) on each 8th step."""
    real, label = batch
    fake = _fake(network, label, noise).detach()
    real.requires_grad_(step % 8 == 0)
    of_real = _judged(judge, real, label)
    loss = softplus(_judged(judge, fake, label)).mean() + softplus(-of_real).mean()
    if step % 8 == 0:
        (slope,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
        loss = loss + 8 * slope.square().flatten(1).sum(1).mean() / 2
    return loss


class Recipe(NamedTuple):
    """How a model is trained: loss of its judge where it has one, steps, judge's steps a step of the network, and CPU
    minutes measured on one core."""

    judged: Callable[..., Tensor] | None
    steps: int
    judge_steps: int
    minutes: float


RECIPES = {
    "classifier": Recipe(None, 4000, 0, 1.3),
    "wgan": Recipe(wasserstein, 4000, 3, 23.3),
    "progressive": Recipe(wasserstein, 4000, 3, 24.2),
    "style": Recipe(wasserstein, 4000, 3, 28.3),
    "classes": Recipe(wasserstein, 4000, 3, 24.7),
    "vae": Recipe(None, 8000, 0, 10.7),
    "coloured": Recipe(None, 10000, 0, 11.6),
}


def main() -> None:
    """Train one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "name",
        help="discriminator-NAME, or one of (CPU minutes): "
        + ", ".join(f"{name} ({recipe.minutes:g})" for name, recipe in RECIPES.items()),
    )
    parser.add_argument("--steps", type=int, help="Fewer, to try it.")
    parser.add_argument("--out", type=Path, default=weights_file("wgan").parent)
    parser.add_argument(
        "--images", type=int, help="Train on the first so many digits alone, to see what a model repeats."
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="The seed of the starting weights and of all draws, 0 by default."
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)  # the starting weights: this script's process is its own
    started = time.process_time()
    judged_model = asked.name.removeprefix("discriminator-")
    if judged_model != asked.name:
        network = _discriminator(judged_model, asked.steps or DISCRIMINATOR_STEPS)
    else:
        recipe = RECIPES[asked.name]
        train = _alone if recipe.judged is None else _adversarial
        noise = torch.Generator().manual_seed(1 + asked.seed)
        network = train(asked.name, recipe, asked.steps or recipe.steps, noise, asked.images)
    asked.out.mkdir(exist_ok=True)
    path = asked.out / f"{asked.name}.safetensors"
    save_file(network.state_dict(), path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)
    print(f"{asked.name}: {(time.process_time() - started) / 60:.1f} CPU minutes")


def _adversarial(name: str, recipe: Recipe, steps: int, noise: torch.Generator, images: int | None) -> nn.Module:
    """A generator against its judge; what is returned is the average of its weights."""
    network = _new(name)
    classes = 10 if name == "classes" else None
    judge = Discriminator(num_classes=classes)
    averaged = copy.deepcopy(network)
    rates = {"lr": 5e-4, "betas": (0.0, 0.99)}
    of_network, of_judge = (torch.optim.Adam(each.parameters(), **rates) for each in (network, judge))
    draw = _batches(name, noise, images)
    for step in trange(steps, desc=name, mininterval=10):
        slow_down((of_network, of_judge), step, steps)
        for _ in range(recipe.judge_steps):
            descend(of_judge, recipe.judged(network, judge, draw(), noise, step))
        _, label = draw()
        logits = _judged(judge, _fake(network, label, noise), label)
        descend(of_network, -logits.mean() if recipe.judged is wasserstein else softplus(-logits).mean())
        for kept, new in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            kept.copy_(kept.lerp(new, 1 - KEPT) if kept.is_floating_point() else new)
    if isinstance(averaged, StyleBased):
        with torch.no_grad():
            averaged.mean_style.copy_(averaged.mapping(torch.randn(10_000, LATENT_DIM, generator=noise)).mean(0))
    return averaged


def _alone(name: str, recipe: Recipe, steps: int, noise: torch.Generator, images: int | None) -> nn.Module:
    """A network that has a loss of its own."""
    network = _new(name)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    draw = _batches(name, noise, images)
    for step in trange(steps, desc=name, mininterval=10):
        slow_down((optimizer,), step, steps)
        shown, label = draw()
        if name == "classifier":
            descend(optimizer, cross_entropy(network(shown), label, label_smoothing=0.05))
        else:
            descend(optimizer, network.loss(shown, noise))
    if name == "classifier":
        network.eval()
        right = (network(grey("test")).argmax(1) == torch.from_numpy(digits("test")[1])).float().mean()
        print(f"classifier: {right:.4f} of the test digits")
    return network


def _discriminator(name: str, steps: int) -> nn.Module:
    """A judge of a finished generator: its logits estimate log p_data / p_G (Azadi et al. 2019)."""
    noise = torch.Generator().manual_seed(2)
    network = with_weights(name, MODELS[name].network())
    judge = Discriminator(MODELS[name].channels, 10 if name == "classes" else None)
    optimizer = torch.optim.Adam(judge.parameters(), lr=5e-4)
    draw = _batches(name, noise)
    for step in trange(steps, desc=f"discriminator-{name}", mininterval=10):
        slow_down((optimizer,), step, steps)
        descend(optimizer, logistic(network, judge, draw(), noise, step))
    return judge


def _new(name: str) -> nn.Module:
    return Classifier() if name == "classifier" else MODELS[name].network()


def _batches(name: str, noise: torch.Generator, first: int | None = None) -> Callable[[], Batch]:
    """Draws real images [BATCH, C, 28, 28] with their labels int64 [BATCH], of the first so many or of all."""
    images = (coloured("train", "normal") if name == "coloured" else grey("train"))[:first]
    labels = torch.from_numpy(digits("train")[1])

    def draw() -> Batch:
        rows = torch.randint(len(images), (BATCH,), generator=noise)
        return images[rows], labels[rows]

    return draw


def _fake(network: nn.Module, label: Tensor, noise: torch.Generator) -> Tensor:
    z = torch.randn(len(label), LATENT_DIM, generator=noise)
    return network(z, label) if isinstance(network, ClassConditional) else network(z)


def _judged(judge: nn.Module, images: Tensor, label: Tensor) -> Tensor:
    return judge(images) if judge.embedding is None else judge(images, label)


if __name__ == "__main__":
    main()
