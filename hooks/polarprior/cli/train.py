"""`polarprior train`: a group that plugins fill with what they can train."""

from __future__ import annotations

import click

from polarprior.cli.groups import Trained


@click.group(cls=Trained, short_help="Train a flow, a generator or a space.")
def train() -> None:
    """Train what a plugin can train: a flow, a generator, a feature space."""
