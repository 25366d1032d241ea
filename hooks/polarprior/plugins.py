"""Installed plugins: loaded one by one, a broken one skipped with a line that says what to type."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from polarprior import builtin
from polarprior.errors import PIP, YOURS, PluginError, PolarPriorError, UsageError, blaming
from polarprior.hookspecs import PROJECT, HookSpecs

DISABLE = "POLARPRIOR_DISABLE_PLUGINS"
"""Environment variable: plugins not to load, comma-separated, or ``all``."""
STRICT = "POLARPRIOR_STRICT_PLUGINS"
"""Environment variable: set to 1, a plugin that fails to load is an error."""


@dataclass(frozen=True)
class PluginStatus:
    """A plugin, loaded or not.

    Attributes:
        name: of the entry point; what the command line calls it.
        distribution, version: what pip calls it.
        hooks: names of the hooks that it answers.
        problem: why it was not loaded, or None.
        hint: what to type then.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    problem: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        if self.problem is None:
            return f"{self.name} ({self.distribution} {self.version})"
        return f"plugin {self.name} ({self.distribution} {self.version}) skipped: {self.problem}; {self.hint}"


class Plugins:
    """The plugins that loaded, and a way to ask ONE of them.

    Args:
        points: entry points to load; those installed in the group ``polarprior`` where None.
        environ: where `DISABLE` and `STRICT` are looked up.

    Raises:
        PluginError: a plugin fails to load and `STRICT` is set.

    A plugin that fails to load is skipped, with one line on stderr; see `statuses`.

    Attributes:
        statuses: of the plugins that were found, by their names.
        points: the entry points, as they were given; None for the installed ones.
    """

    def __init__(self, points: Iterable[EntryPoint] | None = None, environ: Mapping[str, str] = os.environ):
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(HookSpecs)
        self._manager.register(builtin, name=builtin.NAME)
        self.statuses: list[PluginStatus] = []
        self.points = None if points is None else tuple(points)
        disabled = {name.strip() for name in environ.get(DISABLE, "").split(",")}
        named = entry_points(group=PROJECT) if self.points is None else self.points
        for point in sorted(named, key=lambda point: point.name):
            if point.name in disabled or "all" in disabled:
                status = _status(point, problem=f"disabled by {DISABLE}", hint=f"unset {DISABLE}")
            else:
                status = self._load(point)
                if status.problem is not None:
                    if environ.get(STRICT, "0") not in ("", "0"):
                        raise PluginError(*str(status).split("; ", 1))
                    print(f"warning: {status}", file=sys.stderr)
            self.statuses.append(status)

    @classmethod
    def of(cls, points: Iterable[tuple[str, str]]) -> Plugins:
        """Plugins by (name, module)."""
        return cls([EntryPoint(name, value, PROJECT) for name, value in points])

    @staticmethod
    def can_be_found(point: EntryPoint) -> bool:
        """Whether a process that has not imported the plugin's module yet would find it."""
        top = point.value.partition(":")[0].partition(".")[0]
        return any(finder.find_spec(top, None) for finder in sys.meta_path)

    def _load(self, point: EntryPoint) -> PluginStatus:
        """Import and register one plugin; its status says what went wrong."""
        status = _status(point)
        if self._manager.has_plugin(point.name):
            hint = f"type: pip uninstall {status.distribution}, or the other distribution"
            return _status(point, problem=f"another plugin is called {point.name} already", hint=hint)
        try:
            with redirect_stdout(sys.stderr):
                plugin = point.load()
            self._manager.register(plugin, name=point.name)
            self._manager.check_pending()  # a misspelt hook would never be asked
        except (Exception, SystemExit) as error:
            if self._manager.has_plugin(point.name):
                self._manager.unregister(name=point.name)
            return _broken(status, error)
        hooks = tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))
        return _status(point, hooks=hooks)

    def imported(self, name: str, target: str) -> Any:
        """``MODULE:FUNCTION`` of the plugin `name`; None where it can't be imported, after the line on stderr that a
        plugin gets which fails to load."""
        module, _, function = target.partition(":")
        try:
            with redirect_stdout(sys.stderr):
                return getattr(import_module(module), function)
        except (Exception, SystemExit) as error:
            status = next((each for each in self.statuses if each.name == name), PluginStatus(name, "unknown", "0"))
            print(f"warning: {_broken(status, error)}", file=sys.stderr)
            return None

    def ask(self, name: str, hook: str, **arguments: Any) -> Any:
        """The answer of the plugin `name` to `hook`, None where it has none or isn't loaded.

        Raises:
            PluginError: the plugin raised something other than a PolarPriorError.
        """
        if not self._manager.has_plugin(name):
            return None
        others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name and plugin]
        # What a plugin prints must not end up in the middle of a --json document.
        ours = name == builtin.NAME and hook == "get_latent_sampler"  # no code of the user's fails there
        with nullcontext() if ours else blaming(self.describe(name), hook), redirect_stdout(sys.stderr):
            answers = self._manager.subset_hook_caller(hook, others)(**arguments)
        return answers[0] if answers else None

    def first_answer(self, names: Iterable[str], hook: str, **arguments: Any) -> tuple[str, Any]:
        """(plugin, answer) of the first of `names` that doesn't decline; ("", None) where all do."""
        for name in dict.fromkeys(names):
            answer = self.ask(name, hook, **arguments)
            if answer is not None:
                return name, answer
        return "", None

    def describe(self, name: str) -> str:
        """A plugin's name with its distribution and version; `polarprior.errors.YOURS` for the user's own modules."""
        if name == builtin.NAME:
            return YOURS
        return next((str(status) for status in self.statuses if status.name == name), name)

    def ask_each(self, hook: str, **arguments: Any) -> dict[str, Any]:
        """The answers of all plugins to `hook` by their names, in that order; one that fails is left out, with a
        line on stderr."""
        answers = {}
        for name, _ in sorted(self._manager.list_name_plugin()):
            try:
                answers[name] = self.ask(name, hook, **arguments)
            except PolarPriorError as error:
                print(f"warning: {error.message}", file=sys.stderr)
        return {name: answer for name, answer in answers.items() if answer is not None}

    def require(self, name: str, hook: str, got: str) -> None:
        """Raise unless the plugin `name` is loaded and answers `hook`."""
        loaded = dict(self._manager.list_name_plugin())
        able = sorted(
            other
            for other, plugin in loaded.items()
            if plugin and any(caller.name == hook for caller in self._manager.get_hookcallers(plugin) or ())
        )
        if name in able:
            return
        for status in self.statuses:
            if status.name == name and status.problem is not None:
                raise PluginError(f"{got}: {str(status).rsplit('; ', 1)[0]}", status.hint or "")
        if name in loaded:
            raise PluginError(
                f"{got}: plugin {self.describe(name)} answers no {hook}", f"use one of: {', '.join(able)}"
            )
        raise UsageError(
            f"no plugin {name!r} with {hook}, got {got!r}, expected one of: {', '.join(able)}",
            _meant(name, hook, got, able),
        )


CHECKPOINTS = (".pkl", ".pt", ".pth", ".ckpt", ".safetensors", ".bin", ".tar", ".npz")


def _meant(name: str, hook: str, got: str, able: list[str]) -> str:
    """What to type in place of a plugin that nobody knows."""
    close = get_close_matches(name, able, 1)
    if close:
        return f"use {close[0]}"
    if hook == "load_generator":
        if got.lower().endswith(CHECKPOINTS) and ":" not in got:
            return f"a checkpoint doesn't say whose it is: name its plugin as well, such as stylegan3:{got}"
        if ":" in got and (Path(f"{name}.py").exists() or Path(name).is_dir()):
            return f"a function of your own: use {builtin.NAME}:{got}"
        if not name.replace("-", "").replace("_", "").isalnum():
            return "name a plugin, such as dcgan-faces: polarprior plugins lists them"
        own = f"; of a function in {name}.py, {builtin.NAME}:{got} from its folder" if ":" in got else ""
        return f"{_installing(name)}{own}"
    return _installing(name)


def _installing(name: str) -> str:
    """What to type for a plugin that is not here."""
    return f"type: {PIP} polarprior-{name}, and see: polarprior plugins"


def _broken(status: PluginStatus, error: BaseException) -> PluginStatus:
    """`status` of a plugin that could not be imported, with what to type."""
    reason = " ".join(str(error).split())[:200]
    missing = getattr(error, "name", None)
    if isinstance(error, ImportError) and missing and missing.split(".")[0] != PROJECT:
        hint = f"type: pip install --upgrade {status.distribution} (it needs {missing})"
    else:
        hint = f"type: pip install --upgrade {status.distribution}, or set {DISABLE}={status.name}"
    return replace(status, problem=f"{type(error).__name__}: {reason}", hint=hint)


def _status(point: EntryPoint, **values: Any) -> PluginStatus:
    distribution = point.dist
    return PluginStatus(
        name=point.name,
        distribution=distribution.name if distribution else "unknown",
        version=distribution.version if distribution else "0",
        **values,
    )
