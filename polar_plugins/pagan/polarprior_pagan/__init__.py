"""Pairwise Augmented GANs, as a polarprior plugin: a generator with an encoder that a user can train alone, so that
real images can be ranked. Importing it does not import torch.

After Alanov, Kochurov, Yashkov and Vetrov, *Pairwise Augmented GANs with Adversarial Reconstruction Loss* (2018),
called the paper here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    import click
    import torch
    from polarprior.plugin import FeatureMap, Generator, Settings

NAME = "pagan"
__version__ = "0.1.0"


@hookimpl
def load_generator(source: str | None, device: torch.device, settings: Settings) -> Generator:
    """``pagan:FILE``, what ``polarprior train pagan`` has written; ``pagan`` alone makes digits of 32 pixels."""
    from polarprior_pagan.generator import load

    return load(source, device, settings)


@hookimpl
def space_names() -> list[str]:
    """What a classifier of the training data gives."""
    return ["classifier", "classifier-logits"]


@hookimpl
def get_feature_map(generator: Generator, space: str) -> FeatureMap | None:
    """``pagan:classifier`` and its ``-logits``: what a classifier of the training data sees."""
    from polarprior_pagan.generator import feature_map

    return feature_map(generator, space)


@hookimpl
def register_training(train: click.Group) -> None:
    """``polarprior train pagan``."""
    from polarprior_pagan.command import pagan

    train.add_command(pagan)
