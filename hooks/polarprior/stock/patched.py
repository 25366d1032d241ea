"""What a patched stock script imports, before anything else, and adds its options with.

Without ``--polarity`` and its like on its command line the import does nothing and loads nothing else; with it, this
process is made ready as `polarprior run` would make it. Spawned processes import the script again, and come by too. A
program that imports the script for what is in it has a command line of its own, which is left alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from multiprocessing import current_process
from typing import Any


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--polarity``, ``--tilt``, ``--bank`` and the other options of a polarity to a click command that does not
    see them."""
    from polarprior.stock.polarity import polarity_options

    return polarity_options(function, expose_value=False)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the same options to a parser of argparse, in whose namespace they leave nothing."""
    from polarprior.stock.polarity import add_arguments

    add_arguments(parser)


def _begin() -> None:
    from pathlib import Path

    import click

    from polarprior.errors import UsageError, ending_the_script
    from polarprior.stock.begin import begin
    from polarprior.stock.polarity import asked, taken

    with ending_the_script():
        try:
            values, own = taken(sys.argv[1:])
        except click.UsageError as error:
            raise UsageError(error.format_message(), f"see: python {sys.argv[0]} --help") from error
        begin(Path(sys.argv[0]), asked(**values), current_process().name != "MainProcess", own)


def _show(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
    """Show an error of the script as Python does, and what is missing here of which the launcher has a stand-in."""
    sys.__excepthook__(kind, error, traceback)
    if isinstance(error, ModuleNotFoundError):
        from polarprior.stock.shims.modules import SUPPLIED

        if error.name in SUPPLIED:
            print(
                f"hint: type polarprior run {sys.argv[0]}, which has what it needs of {error.name}", file=sys.stderr
            )


_NAMES = {"--polarity", "--tilt", "--bank", "--force", "--joint", "--device", "--no-record"}


def _is_what_runs() -> bool:
    """Whether the script that imports this is the program, or the one that a spawned process imports anew."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame.f_globals.get("__name__") in ("__main__", "__mp_main__")


if _is_what_runs():
    if _NAMES & {argument.split("=")[0] for argument in sys.argv[1:]} and "--help" not in sys.argv:
        _begin()
    else:
        sys.excepthook = _show
