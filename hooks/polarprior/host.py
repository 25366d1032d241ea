"""The host: finds plugins, asks ONE by name, checks what it returned, says which failed and how."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from polarprior import builtin
from polarprior.errors import PluginError, PolarPriorError, UsageError
from polarprior.hookspecs import PROJECT, HookSpecs

if TYPE_CHECKING:
    import click

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.prior.sampler import LatentSampler
    from polarprior.stock import StockRepo
    from polarprior.volume.feature_map import FeatureMap
    from polarprior.volume.jacobian import JacobianFn

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


class Host:
    """Plugins, and one method for each thing that they can do.

    Args:
        plugins: entry points to load; those installed in the group ``polarprior`` where None.
        environ: where `DISABLE` and `STRICT` are looked up.

    Raises:
        PluginError: a plugin fails to load and `STRICT` is set.

    A plugin that fails to load is skipped, with one line on stderr; see `statuses`.
    """

    def __init__(self, plugins: Iterable[EntryPoint] | None = None, environ: Mapping[str, str] = os.environ):
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(HookSpecs)
        self._manager.register(builtin, name=builtin.NAME)
        self.statuses: list[PluginStatus] = []
        disabled = {name.strip() for name in environ.get(DISABLE, "").split(",")}
        points = entry_points(group=PROJECT) if plugins is None else plugins
        for point in sorted(points, key=lambda point: point.name):
            if point.name in disabled or "all" in disabled:
                status = _status(point, problem=f"disabled by {DISABLE}", hint=f"unset {DISABLE}")
            else:
                status = self._load(point)
                if status.problem is not None:
                    if environ.get(STRICT, "0") not in ("", "0"):
                        raise PluginError(*str(status).split("; ", 1))
                    print(f"warning: {status}", file=sys.stderr)
            self.statuses.append(status)

    def _load(self, point: EntryPoint) -> PluginStatus:
        """Import and register one plugin; its status says what went wrong."""
        status = _status(point)
        try:
            plugin = point.load()
            self._manager.register(plugin, name=point.name)
            self._manager.check_pending()
        except Exception as error:
            if self._manager.has_plugin(point.name):
                self._manager.unregister(name=point.name)
            reason = " ".join(str(error).split())[:200]
            missing = getattr(error, "name", None)
            if isinstance(error, ImportError) and missing and missing.split(".")[0] != PROJECT:
                hint = f"type: pip install --upgrade {status.distribution} (it needs {missing})"
            else:
                hint = f"type: pip install --upgrade {status.distribution}, or set {DISABLE}={point.name}"
            return _status(point, problem=f"{type(error).__name__}: {reason}", hint=hint)
        hooks = tuple(sorted(caller.name for caller in self._manager.get_hookcallers(plugin) or ()))
        return _status(point, hooks=hooks)

    def _ask(self, name: str, hook: str, **arguments: Any) -> Any:
        """The answer of the plugin `name` to `hook`, None where it has none or isn't loaded.

        Raises:
            PluginError: the plugin raised something other than a PolarPriorError.
        """
        if not self._manager.has_plugin(name):
            return None
        others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name and plugin]
        try:
            answers = self._manager.subset_hook_caller(hook, others)(**arguments)
        except PolarPriorError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise PluginError(
                f"plugin {self.describe(name)} failed in {hook}: {type(error).__name__}: {reason}",
                "report it to the plugin's authors, with what --debug prints",
            ) from error
        return answers[0] if answers else None

    def _first_answer(self, names: Iterable[str], hook: str, **arguments: Any) -> tuple[str, Any]:
        """(plugin, answer) of the first of `names` that doesn't decline; ("", None) where all do."""
        for name in dict.fromkeys(names):
            answer = self._ask(name, hook, **arguments)
            if answer is not None:
                return name, answer
        return "", None

    def describe(self, name: str) -> str:
        """A plugin's name with its distribution and version."""
        return next((str(status) for status in self.statuses if status.name == name), name)

    def load(self, model: str, device: str | None = None, **settings: Any) -> Generator:
        """Load a generator.

        Args:
            model: ``PLUGIN`` or ``PLUGIN:SOURCE``, such as ``dcgan-faces`` or ``torch:my_module:make``.
            device: a torch device; CUDA where there is one, else the CPU, where None.
            settings: fields of `Settings`: trunc, temperature, noise_mode.

        Raises:
            UsageError: no such plugin, device or setting.
            PolarPriorError: the plugin can't load it.
            PluginError: the plugin failed, or what it returned breaks its contract.
        """
        from polarprior.checks import checked_generator
        from polarprior.settings import Settings

        name, _, source = model.partition(":")
        self._require(name, "load_generator", model)
        generator = self._ask(
            name,
            "load_generator",
            source=source or None,
            device=_torch_device(device),
            settings=Settings(**settings),
        )
        return checked_generator(generator, self.describe(name))

    def feature_map(self, generator: Generator, space: str) -> FeatureMap:
        """The map to ``SPACE``, one of the generator's own or the host's, or to ``PLUGIN:SPACE``.

        Raises:
            UsageError: nobody knows that space.
        """
        from polarprior.checks import checked_feature_map

        plugin, _, named = space.rpartition(":")
        name, answer = self._first_answer(
            [generator.plugin, plugin, builtin.NAME], "get_feature_map", generator=generator, space=named
        )
        if answer is None:
            spaces = ", ".join(["pixel", *generator.spaces])
            raise UsageError(f"--space: got {space!r}, {generator.plugin} has {spaces}", "use --space pixel")
        return checked_feature_map(answer, generator, self.describe(name))

    def jacobian_fn(self, generator: Generator, space: str = "pixel", domain: str = "z") -> JacobianFn:
        """The Jacobian of the map from `domain` to `space`: the plugin's own, or its images' composed with a
        feature map.

        Raises:
            UsageError: the model doesn't have that domain, or nobody knows that space.
        """
        from polarprior.checks import checked_jacobian_fn
        from polarprior.volume.jacobian import through

        if domain not in generator.domains:
            raise UsageError(
                f"--domain: got {domain!r}, {generator.plugin} has {', '.join(generator.domains)}",
                f"use --domain {generator.domains[0]}",
            )
        asked = [generator.plugin, builtin.NAME]
        name, answer = self._first_answer(asked, "jacobian_fn", generator=generator, space=space, domain=domain)
        if answer is None:
            feature_map = self.feature_map(generator, space)
            return through(feature_map, self.jacobian_fn(generator, "pixel", domain))
        return checked_jacobian_fn(answer, generator, self.describe(name))

    def latent_sampler(
        self,
        generator: Generator,
        bank: Bank | None = None,
        rho: float = 0.0,
        *,
        sampler: str = "bank",
        k: int | None = None,
        draws: int = 0,
        force: bool = False,
    ) -> LatentSampler:
        """A sampler of the polarity prior.

        Args:
            generator: whose prior is reweighted.
            bank: spectra of its latents.
            rho: the polarity; negative towards modes, positive towards anti-modes.
            sampler: ``bank``, or the name of a plugin that gives one.
            k: singular values in the log-volume; all of the bank's where None.
            draws: how many latents will be drawn, for the limits and diagnostics.
            force: go beyond the limits of rho, with a warning.

        Raises:
            UsageError: no such sampler, or an argument out of range.
            BankError: the bank doesn't fit the generator or its settings.
            PolarPriorError: rho is outside the bank's limits.
        """
        from polarprior.checks import checked_sampler
        from polarprior.prior.sampler import SamplerOptions

        if sampler != "bank":
            self._require(sampler, "get_latent_sampler", sampler)
        name, answer = self._first_answer(
            [generator.plugin, builtin.NAME] if sampler == "bank" else [sampler],
            "get_latent_sampler",
            generator=generator,
            bank=bank,
            rho=float(rho),
            options=SamplerOptions(k=k, draws=draws, force=force),
        )
        if answer is None:
            raise UsageError(f"--sampler: {sampler} declines {generator.plugin}", "use --sampler bank")
        return checked_sampler(answer, generator, self.describe(name))

    def stock_repos(self) -> list[StockRepo]:
        """What all plugins say of stock repositories."""
        return [repo for answer in self._manager.hook.stock_repos() for repo in answer]

    def register_commands(self, cli: click.Group) -> None:
        """Let every plugin add its commands."""
        self._manager.hook.register_commands(cli=cli)

    def _require(self, name: str, hook: str, got: str) -> None:
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
        raise UsageError(
            f"no plugin {name!r} with {hook}, got {got!r}, expected one of: {', '.join(able)}",
            f"type: pip install polarprior-{name}, and see: polarprior plugins",
        )


@cache
def default_host() -> Host:
    """The host with the installed plugins; made once a process."""
    return Host()


def _status(point: EntryPoint, **values: Any) -> PluginStatus:
    distribution = point.dist
    return PluginStatus(
        name=point.name,
        distribution=distribution.name if distribution else "unknown",
        version=distribution.version if distribution else "0",
        **values,
    )


def _torch_device(device: str | None) -> Any:
    """A torch device by name, the best there is where None; UsageError where it can't be used."""
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0][:100]
        raise UsageError(f"--device: got {device!r}: {reason}", "use --device cpu") from error
    return chosen
