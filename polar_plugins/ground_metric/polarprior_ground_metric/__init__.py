"""A learned Wasserstein ground metric, as a polarprior plugin: a space for banks, and a classifier of weighted sets
of features, such as the patches of an image. Importing it does not import torch.

After Xu, Luo, Deng and Huang, *Multi-Level Metric Learning via Smoothed Wasserstein Distance* (IJCAI 2018), called
the paper here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    import click
    from polarprior.plugin import AskingHost, FeatureMap, Generator

NAME = "ground-metric"
__version__ = "0.1.0"


@hookimpl
def get_feature_map(generator: Generator, space: str, host: AskingHost) -> FeatureMap:
    """``ground-metric:FILE`` and ``ground-metric:FILE@LABEL``, see `polarprior_ground_metric.space`."""
    from polarprior_ground_metric.space import feature_map

    return feature_map(generator, space, host)


@hookimpl
def register_commands(cli: click.Group) -> None:
    """``polarprior ground-metric``."""
    from polarprior_ground_metric.commands import ground_metric

    cli.add_command(ground_metric)


@hookimpl
def register_training(train: click.Group) -> None:
    """``polarprior train ground-metric``."""
    from polarprior_ground_metric.command import ground_metric

    train.add_command(ground_metric)
