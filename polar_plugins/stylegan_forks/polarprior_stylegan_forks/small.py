"""Writes a small network pickle with the stock classes, to try things out: ``python -m
polarprior_stylegan_forks.small``.

Its weights are random, so its images are noise with a style; everything else is as in an official pickle, but that
there is no projected discriminator: what that looks at images through has to be downloaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click
import torch
from polarprior.plugin import StockRepo, ending_the_script, use_checkout
from polarprior_stylegan2.small import LATENT_DIM, frozen, leave_what_training_would, write_pickle

from polarprior_stylegan_forks.classes import one_hot
from polarprior_stylegan_forks.repos import PROJECTED_GAN, R3GAN, STYLEGAN_XL

NOISE = 0.05
"""The strength of the noise of a FastGAN, where it has some."""


class Asked(NamedTuple):
    """What a network is to be: pixels, classes or 0, the seed of its weights, and what only some have."""

    resolution: int
    classes: int
    seed: int
    stem: Path | None
    noise: bool
    float32: bool


def projected(asked: Asked) -> tuple[Any, Any]:
    """A StyleGAN2 of projected-gan, and nothing."""
    from pg_modules.networks_stylegan2 import Generator  # of the checkout

    width: dict[str, Any] = {"channel_base": 1024, "channel_max": 32, "num_fp16_res": 2, "conv_clamp": 256}
    network = frozen(Generator(**_style_sizes(asked), **width))
    leave_what_training_would(network, asked.classes, asked.seed)
    return network, torch.nn.Identity()


def fastgan(asked: Asked) -> tuple[Any, Any]:
    """A FastGAN, whose noise has no strength unless it is asked for, and nothing."""
    from pg_modules.networks_fastgan import Generator  # of the checkout

    conditional = {"num_classes": asked.classes} if asked.classes else {}
    network = Generator(
        z_dim=LATENT_DIM,
        c_dim=asked.classes,
        img_resolution=asked.resolution,
        ngf=8,
        cond=bool(asked.classes),
        synthesis_kwargs=conditional,
    )
    with torch.no_grad():
        for step in range(60):  # statistics of batch norms, and those of spectral norms
            label = (torch.arange(8) + step) % asked.classes if asked.classes else None
            z = torch.randn(8, LATENT_DIM)
            network.train()(z, one_hot(label, asked.classes, z))
        for name, parameter in network.named_parameters():
            if asked.noise and parameter.shape == (1,) and name.endswith("weight"):
                parameter.fill_(NOISE)
    return frozen(network), torch.nn.Identity()


def xl(asked: Asked) -> tuple[Any, Any]:
    """A StyleGAN3 of stylegan-xl, or layers of superresolution on a stem, and nothing."""
    from training.networks_stylegan3_resetting import Generator, SuperresGenerator  # of the checkout

    if asked.stem is not None:
        stem = str(asked.stem)
        return frozen(SuperresGenerator(asked.resolution, stem, head_layers=3, up_factor=2)), torch.nn.Identity()
    width: dict[str, Any] = {"channel_base": 1024, "channel_max": 32, "num_layers": 4, "margin_size": 4}
    network = frozen(Generator(**_style_sizes(asked), **width, conv_kernel=3, use_radial_filters=False))
    z = torch.randn(1000, LATENT_DIM)
    with torch.no_grad():
        for number in range(max(1, asked.classes)):
            label = torch.full((1000,), number) if asked.classes else None
            average = network.mapping(z, one_hot(label, asked.classes, z))[:, 0].mean(0)
            (network.mapping.w_avg[number] if asked.classes else network.mapping.w_avg).copy_(average)
    return network, torch.nn.Identity()


def r3gan(asked: Asked) -> tuple[Any, Any]:
    """A generator and a discriminator of R3GAN, in bfloat16 but for the first stage unless float32 is asked for."""
    from training.networks import Discriminator, Generator  # of the checkout

    stages = asked.resolution.bit_length() - 2
    sizes: dict[str, Any] = {
        "BlocksPerStage": [1] * stages,
        "ExpansionFactor": 2,
        "FP16Stages": [] if asked.float32 else list(range(1, stages)),
        "c_dim": asked.classes,
        "img_resolution": asked.resolution,
        "ConditionEmbeddingDimension": LATENT_DIM if asked.classes else 0,
    }
    widths = {"WidthPerStage": [32] * stages, "CardinalityPerStage": [4] * stages}
    network = Generator(NoiseDimension=LATENT_DIM, **widths, **sizes)
    if not asked.float32:
        sizes["FP16Stages"] = list(range(stages - 1))
    critic = Discriminator(**widths, **sizes)
    with torch.no_grad():
        for name, parameter in [*network.named_parameters(), *critic.named_parameters()]:
            if name.endswith("Bias"):
                parameter.normal_(0, 0.3)
            if name.endswith("LinearLayer3.Layer.weight"):  # zero at first: the blocks would do nothing
                parameter.normal_(0, 1 / parameter.shape[1] ** 0.5)
        network.Model.AggregationLayer.Layer.weight.mul_(0.2)
    return frozen(network), frozen(critic)


def _style_sizes(asked: Asked) -> dict[str, Any]:
    return {
        "z_dim": LATENT_DIM,
        "c_dim": asked.classes,
        "w_dim": LATENT_DIM,
        "img_resolution": asked.resolution,
        "img_channels": 3,
        "mapping_kwargs": {"num_layers": 2},
    }


class Kind(NamedTuple):
    """What can be written: by which repository's classes, of how many pixels if nobody says, and how."""

    repo: StockRepo
    resolution: int
    make: Callable[[Asked], tuple[Any, Any]]


KINDS = {
    "projected-gan": Kind(PROJECTED_GAN, 32, projected),
    "projected-gan-fastgan": Kind(PROJECTED_GAN, 128, fastgan),
    "stylegan-xl": Kind(STYLEGAN_XL, 32, xl),
    "r3gan": Kind(R3GAN, 32, r3gan),
}


@click.command()
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--resolution", type=int, help="Pixels, a power of 2; 32 if not given, 128 of a FastGAN, its least.")
@click.option("--classes", type=int, default=0, help="Classes; none if not given.")
@click.option("--seed", type=int, default=0, show_default=True, help="The seed of the random weights.")
@click.option(
    "--stem",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="For stylegan-xl: a pickle of half as many pixels, for a superresolution network on top of it.",
)
@click.option("--noise", is_flag=True, help="For a FastGAN: noise that matters.")
@click.option("--float32", is_flag=True, help="For r3gan: no stage in bfloat16.")
def main(
    kind: str,
    path: Path,
    resolution: int | None,
    classes: int,
    seed: int,
    stem: Path | None,
    noise: bool,
    float32: bool,
) -> None:
    """Write a small network of KIND to PATH, with the stock checkout at hand."""
    repo, least, make = KINDS[kind]
    with ending_the_script():
        use_checkout([repo])
    path, stem = path.absolute(), stem and stem.absolute()
    asked = Asked(resolution or least, classes, seed, stem, noise, float32)
    with torch.random.fork_rng(devices=[]), _inside_the_checkout():
        torch.manual_seed(seed)  # the stock classes draw their first weights from the global stream
        network, critic = make(asked)
    write_pickle(path, network, critic)


@contextmanager
def _inside_the_checkout() -> Iterator[None]:
    """Inside, the current folder is the checkout: stylegan-xl reads what its classes are embedded by from there."""
    import legacy  # of the checkout

    before = Path.cwd()
    os.chdir(Path(legacy.__file__).parent)
    try:
        yield
    finally:
        os.chdir(before)


if __name__ == "__main__":
    main()
