"""Runs a stock script as ``python SCRIPT ARGUMENTS`` would, in a process that has been made ready for it."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarprior.errors import PolarPriorError
from polarprior.stock.begin import begin
from polarprior.stock.children import prepare_children
from polarprior.stock.polarity import asked, help_text


@dataclass(frozen=True)
class Launch:
    """A script that is about to run; calling it runs it.

    Attributes:
        script: the script.
        arguments: its own.
        options: the polarity options' values, see `polarprior.stock.polarity.taken`.
    """

    script: Path
    arguments: Sequence[str]
    options: dict[str, Any]

    def __call__(self) -> int:
        """Run it: 0, unless the script says otherwise by SystemExit or fails, with its own traceback.

        Raises:
            PolarPriorError: the script can't be given what was asked for.
            SystemExit: the script's own.
        """
        run = begin(self.script, asked(**self.options))
        prepare_children(self.options)
        path = str(self.script.absolute())  # as Python does for its main module
        sys.argv = [path, *self.arguments]
        sys.path[0] = str(self.script.resolve().parent)
        try:
            runpy.run_path(path, run_name="__main__")
        except PolarPriorError:
            raise
        except SystemExit as end:
            if "--help" in self.arguments:
                print(f"\n{help_text()}", end="")
            elif not end.code:
                run.warn_if_idle()
            raise
        except BaseException as error:
            _show(error, path)
            return 130 if isinstance(error, KeyboardInterrupt) else 1
        run.warn_if_idle()
        return 0


def _show(error: BaseException, script: str) -> None:
    """The traceback as Python would print it: it begins with the script."""
    traceback = error.__traceback__
    while traceback and traceback.tb_frame.f_code.co_filename != script:
        traceback = traceback.tb_next
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)
