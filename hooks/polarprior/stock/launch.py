"""Runs a stock script as ``python SCRIPT ARGUMENTS`` would, in a process that has been made ready for it."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from polarprior.errors import PolarPriorError
from polarprior.stock.begin import begin
from polarprior.stock.children import prepare_children
from polarprior.stock.polarity import asked, help_text
from polarprior.stock_repo import StockRepo


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
            PolarPriorError: the script can't be given what was asked for, or a module that it imports is missing.
            SystemExit: the script's own.
        """
        run = begin(self.script, asked(**self.options), arguments=self.arguments)
        prepare_children(self.options)
        path = str(self.script.absolute())  # as Python does for its main module
        sys.argv = [path, *self.arguments]
        if not sys.flags.isolated and not getattr(sys.flags, "safe_path", False):
            del sys.path[0]  # our own
        sys.path.insert(0, str(self.script.resolve().parent))
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
            if isinstance(error, ModuleNotFoundError):
                _name_what_to_install(error, run.repo, self.script)
            _show(error, path)
            return 130 if isinstance(error, KeyboardInterrupt) else 1
        run.warn_if_idle()
        return 0


def _name_what_to_install(error: ModuleNotFoundError, repo: StockRepo, script: Path) -> None:
    """Raise PolarPriorError where a module is missing of which it is known that the repository's scripts need it."""
    module = (error.name or "").partition(".")[0]
    if module in repo.imports and find_spec(module) is None:
        raise PolarPriorError(
            f"script: {script} imports {module}, which is not installed", f"type: pip install {repo.imports[module]}"
        ) from error


def _show(error: BaseException, script: str) -> None:
    """The traceback as Python would print it: it begins with the script."""
    traceback = error.__traceback__
    while traceback and traceback.tb_frame.f_code.co_filename != script:
        traceback = traceback.tb_next
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)
