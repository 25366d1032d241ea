"""The models of the paper's Table 2 that are no PAGAN, on its networks: a VAE, and AGE; used by `runs.py`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from polarprior.plugin import from_uint8
from polarprior_benchmarks.kept_runs import rounded
from polarprior_mnist.autoencoders import Autoencoder
from polarprior_pagan.data import Images
from polarprior_pagan.looking import Looks
from polarprior_pagan.losses import Networks
from polarprior_pagan.recipe import Recipe
from polarprior_pagan.training import Training
from polarprior_training.augmentations import AUGMENTATIONS
from torch import Tensor, nn
from torch.nn.functional import normalize
from tqdm import tqdm

OF_IMAGES, OF_LATENTS = 10.0, 10.0
"""Weights of AGE's reconstruction of images, which the encoder pays, and of latents, which the generator pays."""
GENERATOR_STEPS = 2
"""Steps of AGE's generator for one of its encoder."""


def autoencoder(images: Images, looks: Looks, recipe: Recipe) -> dict[str, Any]:
    """Train and judge a VAE with Bernoulli pixels, `polarprior_mnist`'s, of the same two networks."""
    networks = _networks(images, recipe)
    model = Autoencoder(recipe.latent_dim)
    model.encoder, model.decoder = networks.encoder.layers, networks.generator
    noise = torch.Generator().manual_seed(recipe.seed)
    adam = torch.optim.Adam(model.parameters(), 1e-3)

    def step(x: Tensor) -> None:
        _descend(adam, model.loss(x, noise))

    return _judged(step, images, looks, recipe, noise, networks.generator, networks.encoder)


def age(images: Images, looks: Looks, recipe: Recipe) -> dict[str, Any]:
    """Train and judge AGE (Ulyanov, Vedaldi, Lempitsky: It takes (only) two: adversarial generator-encoder networks,
    AAAI 2018): a generator and an encoder to a sphere, without a discriminator.

    The encoder brings latents of real images near the prior and takes those of made ones away from it, the generator
    brings these back; both are measured by the moments of a batch. The encoder also pays for x - G(E(x)), and the
    generator for z - E(G(z)).
    """
    networks = _networks(images, recipe)
    generator = nn.Sequential(OnSphere(), networks.generator)
    encoder = ToSphere(networks.encoder)
    noise = torch.Generator().manual_seed(recipe.seed)
    of_encoder, of_generator = (
        torch.optim.Adam(network.parameters(), recipe.rate, (0.5, 0.999)) for network in (encoder, generator)
    )

    def step(x: Tensor) -> None:
        latents = encoder(x)[0]
        with torch.no_grad():
            made = generator(torch.randn(recipe.batch, recipe.latent_dim, generator=noise))
        again = (x - generator(latents)).abs().mean()
        loss = from_prior(latents) - from_prior(encoder(made)[0]) + OF_IMAGES * again
        _descend(of_encoder, loss)
        for _ in range(GENERATOR_STEPS):
            z = torch.randn(recipe.batch, recipe.latent_dim, generator=noise)
            latents = encoder(generator(z))[0]
            away = (normalize(z) - normalize(latents)).square().sum(1).mean()
            _descend(of_generator, from_prior(latents) + OF_LATENTS * away)

    return _judged(step, images, looks, recipe, noise, generator, encoder)


class OnSphere(nn.Module):
    """Latents [n, K] to the same directions, of length sqrt(K)."""

    def forward(self, z: Tensor) -> Tensor:
        return normalize(z) * z.shape[1] ** 0.5


class ToSphere(nn.Module):
    """An encoder's mean, on the sphere; a pair, as `Looks` wants it, whose second part is none."""

    def __init__(self, encoder: nn.Module):
        super().__init__()
        self.encoder, self.on_sphere = encoder, OnSphere()

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.on_sphere(self.encoder(x)[0]), None


def from_prior(latents: Tensor) -> Tensor:
    """KL(N(m, s^2) | N(0, 1)) with a batch's moments in a dimension, summed over dimensions; nats."""
    mean, variance = latents.mean(0), latents.var(0)
    return ((mean.square() + variance - variance.log() - 1) / 2).sum()


def _networks(images: Images, recipe: Recipe) -> Networks:
    return Training(images.pixels, recipe, AUGMENTATIONS["none"]).networks


def _descend(adam: torch.optim.Adam, loss: Tensor) -> None:
    adam.zero_grad()
    loss.backward()
    adam.step()


def _judged(
    step: Callable[[Tensor], None],
    images: Images,
    looks: Looks,
    recipe: Recipe,
    noise: torch.Generator,
    generator: nn.Module,
    encoder: nn.Module,
) -> dict[str, Any]:
    """Train with `step`, a batch of images [n, C, H, W] at a time, and judge what came of it."""
    began = time.process_time()
    for _ in tqdm(range(recipe.iterations), mininterval=10):
        rows = torch.randint(len(images), (recipe.batch,), generator=noise)
        step(from_uint8(images.pixels[rows.numpy()]))
    spent = time.process_time() - began
    found = looks(generator.eval(), encoder.eval())
    return {"cpu_seconds": round(spent, 1), "metrics": rounded(found)}
