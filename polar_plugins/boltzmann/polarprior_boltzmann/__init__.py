"""Continuous normalizing flows learnt from an energy alone, as a polarprior plugin: a sampler of polarity priors that
needs no bank when drawing. Importing it does not import torch.

After Máté and Fleuret, *Learning Interpolations between Boltzmann Densities* (TMLR 2023), called the paper here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    import click
    from polarprior.plugin import AskingHost, Bank, Generator, LatentSampler, SamplerOptions

NAME = "boltzmann"
__version__ = "0.1.0"


@hookimpl
def get_latent_sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> LatentSampler:
    """``boltzmann:FLOW``, the file of a trained flow; or ``boltzmann:shift``, its free baseline, from a bank."""
    from polarprior_boltzmann.by_name import sampler

    return sampler(generator, bank, rho, options, host)


@hookimpl
def register_commands(cli: click.Group) -> None:
    """``polarprior boltzmann``."""
    from polarprior_boltzmann.commands import boltzmann

    cli.add_command(boltzmann)


@hookimpl
def register_training(train: click.Group) -> None:
    """``polarprior train boltzmann``."""
    from polarprior_boltzmann.command import boltzmann

    train.add_command(boltzmann)
