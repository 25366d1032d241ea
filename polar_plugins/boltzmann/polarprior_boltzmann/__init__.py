"""Continuous normalizing flows learnt from an energy alone, as a polarprior plugin: a sampler of polarity priors that
needs no bank when drawing. Importing it does not import torch.

After Máté and Fleuret, *Learning Interpolations between Boltzmann Densities* (TMLR 2023), called the seed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior import hookimpl

if TYPE_CHECKING:
    import click
    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.prior.sampler import LatentSampler, SamplerOptions

NAME = "boltzmann"
__version__ = "0.1.0"


@hookimpl
def get_latent_sampler(generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions) -> LatentSampler:
    """``boltzmann:FLOW``, the file of a trained flow; or ``boltzmann:shift``, its free baseline, from a bank."""
    from polarprior_boltzmann.samplers import sampler

    return sampler(generator, bank, rho, options)


@hookimpl
def register_commands(cli: click.Group) -> None:
    """``polarprior train boltzmann``."""
    import click

    from polarprior_boltzmann.command import boltzmann

    train = cli.commands["train"]
    assert isinstance(train, click.Group)
    train.add_command(boltzmann)
