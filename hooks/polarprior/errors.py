"""The errors that a user can mend: one sentence of what is wrong, one of what to type."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Literal

from polarprior.flags import in_flags
from polarprior.foreign import shown

OF_SCRIPTS = {"rho": "--polarity", "bank": "--bank", "force": "--force", "device": "--device"}
OF_SCRIPTS |= {
    "tilt": "--tilt",
    "no_record": "--no-record",
    "joint": "--joint",
    "label": "--class",
    "k": "-k",
    "n": "-n",
}
"""What a stock script takes beside its own options, and what is said there of classes and of building a bank."""

PIP = "pip install --find-links dist"
"""Installs a distribution of polarprior from the folder that ``make wheels`` writes: they are on no index yet."""


class PolarPriorError(Exception):
    """Something that the user can put right.

    Args:
        message: which argument or file, what it held, what was expected; one line.
        hint: the next thing to type or to change; one line.

    The command line prints ``error: message`` and ``hint: hint`` and ends with `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str):
        self.message, self.hint = shown(message), shown(hint)  # a name in it may be a stranger's
        super().__init__(self.message)

    def __reduce__(self) -> tuple[type[PolarPriorError], tuple[str, str]]:
        return type(self), (self.message, self.hint)  # from a worker it comes pickled

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}"


class UsageError(PolarPriorError):
    """An argument that can't be right, whatever the files hold. Exit code 2."""

    exit_code = 2


class ModuleError(UsageError):
    """A module that was given to `polarprior.wrap`, or what was said of it, is wrong: by the user, or by a plugin."""


class BankError(PolarPriorError):
    """A bank that can't be read, is damaged, or belongs to another model or other settings."""


class PluginError(PolarPriorError):
    """A plugin is missing, failed, or returned something that breaks its contract."""


class RunsCodeWarning(UserWarning):
    """A checkpoint is opened in a way that runs code which it holds. Not given where its digest was pinned."""


class CodeRefused(PolarPriorError):
    """A checkpoint was not opened, since that runs code which it holds."""


_running_code: ContextVar[str] = ContextVar("running_code", default="warned of")


@contextmanager
def running_code(how: Literal["refused", "allowed"]) -> Iterator[None]:
    """Refuse files that run code, or open them without a warning, while the body runs in this thread.

    Args:
        how: refused raises CodeRefused in place of a `RunsCodeWarning`; what was allowed outside stays so.
    """
    before = _running_code.set("allowed" if code_is_allowed() else how)
    try:
        yield
    finally:
        _running_code.reset(before)


def code_is_allowed() -> bool:
    """Whether files that run code are opened without a word, see `running_code`."""
    return _running_code.get() == "allowed"


def nearest(name: str, known: Sequence[str]) -> str:
    """The one of `known` that a user who typed `name` is most likely to mean; the first where none is near.

    >>> nearest("clmap", ["prior", "shell", "clamp"])
    'clamp'
    """
    return next(iter(get_close_matches(name.lower(), known, 1, 0.5)), known[0])


YOURS = "your module"
"""In place of a plugin's name, where the generator is the user's own."""


def failure(who: str, what: str) -> PluginError:
    """The error of a plugin that has failed; of `YOURS`, of the user's own module."""
    if who == YOURS:
        return PluginError(f"{who} {what}", "look into its forward; polarprior --debug shows where")
    hint = "polarprior --debug shows where; where the plugin isn't yours, report it to its authors"
    return PluginError(f"plugin {who} {what}", hint)


@contextmanager
def blaming(plugin: str, hook: str) -> Iterator[None]:
    """Turn what the plugin's code raises into a PluginError that names it; a PolarPriorError goes through, unless it
    is of a module that the plugin itself has wrapped."""
    try:
        yield
    except ModuleError as error:
        if plugin == YOURS:
            raise
        raise failure(plugin, f"failed in {hook}: {error.message}") from error
    except PolarPriorError:
        raise
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise failure(plugin, f"failed{'' if plugin == YOURS else f' in {hook}'}: {reason}") from error


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, at the line outside of polarprior, its plugins and pluggy that led here.

    Raises:
        CodeRefused: in place of a RunsCodeWarning, see `running_code`.
    """
    if category is RunsCodeWarning and code_is_allowed():
        return
    if category is RunsCodeWarning and _running_code.get() == "refused":
        raise CodeRefused(message, "use a file that is no pickle")
    frame, level = sys._getframe(1), 2
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith(("polarprior", "pluggy")):
        frame, level = frame.f_back, level + 1
    warnings.warn(shown(message), category, stacklevel=level)


def report(message: str, hint: str) -> None:
    """Print ``error: message`` and ``hint: hint`` on stderr, a line each."""
    message, hint = (shown(" ".join(text.split())) for text in (message, hint))
    print(f"error: {message}\nhint: {hint}", file=sys.stderr)


@contextmanager
def ending_the_script() -> Iterator[None]:
    """In somebody else's script: report a PolarPriorError and end the process with its exit code, no traceback."""
    try:
        yield
    except PolarPriorError as error:
        report(in_flags(error.message, OF_SCRIPTS), in_flags(error.hint, OF_SCRIPTS))
        raise SystemExit(error.exit_code) from None
