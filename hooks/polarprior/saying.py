"""What commands print."""

from __future__ import annotations

import click

from polarprior.foreign import shown
from polarprior.stages import quiet


def say(text: str, err: bool = False, nl: bool = True) -> None:
    """Print lines of text, with what a stranger's file may have put into them escaped.

    Args:
        text: lines.
        err: on stderr.
        nl: end the line.
    """
    if not err:
        quiet()
    click.echo(shown(text, lines=True), err=err, nl=nl)


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(41), duration(840), duration(9000)
    ('41 s', '14 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.2g} h"
