"""`polarprior patch`: adds ``--polarity`` to the scripts of a stock checkout, and takes it out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.plugin import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def register_commands(cli: click.Group) -> None:
    """`polarprior patch`."""
    from polarprior_patches.command import patch

    cli.add_command(patch)
