"""What commands print."""

from __future__ import annotations

import click

from polarprior.foreign import shown


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Print lines of text, with what a stranger's file may have put into them escaped.

    Args:
        text: lines.
        err: on stderr.
        nl: end the line.
    """
    click.echo(shown(text, lines=True), err=err, nl=nl)
