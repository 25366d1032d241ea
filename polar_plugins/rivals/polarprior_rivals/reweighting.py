"""A learned weight of latents: latentRS, and its gradient ascent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from polarprior.plugin import Generator, PolarPriorError, SamplerOptions, UsageError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from polarprior_rivals.rival import Rival

WIDTH, LARGEST = 128, 3.0
"""Units of the weight network; and the weight above which a loss begins."""
ASCENT, RATE = 10, 0.05
MOST = 1000
RATES = (1e-4, 1e-3)
"""Learning rates of the weight network and of the critic, which must follow it."""


class LatentWeight(nn.Module):
    """w(z) >= 0 of latents [n, *shape]: [n]."""

    def __init__(self, latent_dim: int):
        super().__init__()
        layers = [nn.Linear(latent_dim, WIDTH), nn.LeakyReLU(0.2), nn.Linear(WIDTH, WIDTH), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(WIDTH, 1), nn.Softplus())

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z.flatten(1))[:, 0]


class LatentRejection(Rival):
    """Issenhuth et al. 2022, *Latent reweighting, an almost free improvement for GANs*, latentRS: a fresh latent is
    accepted with probability w(z) / m, w a network that `train` made and m its largest weight; with `ascent` steps of
    gradient ascent on w after that, latentRS+GA.

    Args:
        weight_file: what `save` wrote.
        ascent: steps; 0 for latentRS.

    Raises:
        UsageError: no file named.
        PolarPriorError: it holds no weight network of this generator's latents.
    """

    def __init__(self, generator: Generator, options: SamplerOptions, weight_file: str, ascent: int = 0):
        super().__init__(generator, options)
        if not weight_file:
            raise UsageError(
                f"sampler: {options.sampler} needs the file of its weight network",
                f"use {options.sampler}:FILE.safetensors; polarprior_rivals.reweighting.train makes one",
            )
        self._weight = LatentWeight(generator.prior.dim)
        try:
            self._weight.load_state_dict(load_file(weight_file))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise PolarPriorError(
                f"sampler: {weight_file} holds no weight network for {generator.prior.dim} numbers: "
                f"{' '.join(str(error).split())[:120]}",
                "make it with polarprior_rivals.reweighting.train",
            ) from error
        self._weight.eval().requires_grad_(False)
        self._ascent = ascent

    def _chosen(self, z: Tensor, label: Tensor | None) -> Tensor:
        drawn = self._first_accepted(z.float(), label, lambda fresh, _: self._weight(fresh) / LARGEST, MOST)
        for _ in range(self._ascent):
            with torch.enable_grad():
                weight = self._weight(drawn.requires_grad_()).sum()
            (slope,) = torch.autograd.grad(weight, drawn)
            drawn = (drawn + RATE * slope).detach()
        return drawn


def train(
    generator: Generator,
    real: Callable[[], Tensor],
    critic: nn.Module,
    steps: int,
    noise: torch.Generator,
    critic_steps: int = 3,
) -> LatentWeight:
    """The weight network of Issenhuth et al. 2022: w brings the weighted samples as close as it can to real images in
    the Wasserstein distance that a critic estimates, with (E w - 1)^2 and the mean of max(0, w - m)^2 as penalties of
    weight 10 and 3. Means are divided by E w: a constant that the critic adds changes nothing then. The critic's own
    penalty is one-sided (Petzka et al. 2018): the other kind can hold it at the wrong sign.

    Args:
        generator: unconditional, with a standard normal prior.
        real: gives a batch of images [n, C, H, W] in [-1, 1].
        critic: images to a number each; it is trained.
        steps: of the weight network.
        noise: draws latents and interpolations.
        critic_steps: a step of the weight network.
    """
    weight = LatentWeight(generator.prior.dim)
    of_weight, of_critic = (
        torch.optim.Adam(each.parameters(), rate, (0.5, 0.9))
        for each, rate in ((weight, RATES[0]), (critic, RATES[1]))
    )
    for step in range(steps * (critic_steps + 1)):
        images = real()
        z = torch.randn(len(images), *generator.prior.shape, generator=noise)
        with torch.no_grad():
            fake = generator.synthesize(z, None)
        if step % (critic_steps + 1) < critic_steps:
            share = torch.rand(len(images), 1, 1, 1, generator=noise)
            between = (share * images + (1 - share) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = (slope.flatten(1).norm(dim=1) - 1).clamp(min=0).square().mean()
            loss = _mean(critic(fake), weight(z).detach()) - critic(images).mean() + 10 * penalty
            optimizer = of_critic
        else:
            w = weight(z)
            loss = 10 * (w.mean() - 1).square() - _mean(critic(fake).detach(), w)
            loss = loss + 3 * (w - LARGEST).clamp(min=0).square().mean()
            optimizer = of_weight
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weight


def _mean(values: Tensor, w: Tensor) -> Tensor:
    """The mean of values [n, 1] or [n], weighted by w [n]."""
    return (w * values.flatten()).sum() / w.sum()


def save(weight: LatentWeight, path: Path) -> None:
    """Write a weight network for ``rivals:latent-rs:PATH``."""
    save_file(weight.state_dict(), path)
