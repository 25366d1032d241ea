"""What commands print."""

from __future__ import annotations

from math import floor, inf, log10

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


def files_text(count: int, size: int) -> str:
    """How many files, and how large they are together.

    >>> files_text(1, 1234), files_text(31, 1_392_495)
    ('1 file, 1.2 kB', '31 files, 1.39 MB')
    """
    return f"{count:,} file{'s' * (count != 1)}, {size_text(size)}"


def with_error(value: float, error: float, sign: str = "") -> str:
    """A value and its error, with the decimals that two digits of the error have.

    Args:
        value, error: of one unit.
        sign: "+" for a sign before a positive value.

    >>> with_error(18.6123, 4.71), with_error(0.355, 1.3, "+"), with_error(4521.3, 130)
    ('18.6 ± 4.7', '+0.4 ± 1.3', '4521 ± 130')
    """
    if not 0 < error < inf:
        return f"{value:{sign}.4g} ± {error:.2g}"
    decimals = max(0, 1 - floor(log10(error)))
    return f"{value:{sign}.{decimals}f} ± {error:.{decimals}f}"


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(41), duration(840), duration(9000)
    ('41 s', '14 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.2g} h"


def size_text(count: int) -> str:
    """A number of bytes as people write it.

    >>> size_text(1234), size_text(12_345_678)
    ('1.2 kB', '12.35 MB')
    """
    return f"{count / 1e6:.2f} MB" if count >= 10**5 else f"{count / 1e3:.1f} kB"
