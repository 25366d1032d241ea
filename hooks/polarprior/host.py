"""The host: asks ONE plugin by name, checks what it returned, says which failed and how."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarprior import builtin
from polarprior.arguments import check_names
from polarprior.devices import torch_device
from polarprior.errors import CodeRefused, PluginError, UsageError, nearest, running_code
from polarprior.files import sha256_of
from polarprior.hub.files import fetched_file
from polarprior.hub.name import hub_name, is_on_hub
from polarprior.pinned import pinned
from polarprior.plugins import Plugins
from polarprior.samplers.contract import SAMPLERS, SamplerOptions
from polarprior.stages import stage
from polarprior.strength import check_strength
from polarprior.user_functions import named_by_the_user

if TYPE_CHECKING:
    import click
    from typing_extensions import Unpack

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.jacobian.feature_map import FeatureMap
    from polarprior.jacobian.of_generator import JacobianFn
    from polarprior.samplers.contract import LatentSampler, SamplerKeywords
    from polarprior.stock_repo import StockRepo


class Host:
    """One typed method for each thing that plugins can do; every answer is checked, and its plugin blamed.

    Args:
        plugins: those that are asked; the installed ones where None.
    """

    def __init__(self, plugins: Plugins | None = None):
        self.plugins = Plugins() if plugins is None else plugins

    def load(
        self, model: str, device: str | None = None, *, sha256: str | None = None, **settings: float | str | None
    ) -> Generator:
        """Load a generator.

        Args:
            model: ``PLUGIN`` or ``PLUGIN:SOURCE``, such as ``dcgan-faces`` or ``torch:my_module:make``; a file of the
                Hub as ``PLUGIN:hf://USER/NAME[@REVISION]/FILE``, which is fetched.
            device: a torch device; CUDA where there is one, else the CPU, where None.
            sha256: of the file ``SOURCE``, as hex: another file is not opened, and this one, from a private copy,
                without a warning that it runs code. A file of the Hub that runs code is not opened without it.
            settings: trunc, temperature, noise_mode, and those of the plugin's own, such as the steps of a sampler.

        Raises:
            UsageError: no such plugin, device or setting.
            PolarPriorError: the plugin can't load it, or the file has another digest.
            PluginError: the plugin failed, or what it returned breaks its contract.
        """
        from polarprior.checks import checked_generator
        from polarprior.settings import asked_settings

        name, _, source = model.partition(":")
        self.plugins.require(name, "load_generator", model)
        asked = asked_settings(settings, self.plugins.ask(name, "own_settings", source=source or None) or {}, model)
        with ExitStack() as stack:
            stack.enter_context(stage(f"loading {model}"))
            file = hub_name(source) if is_on_hub(source) else None
            if file is not None and file.file:
                path, file = fetched_file(file)
                source, model = str(path), f"{name}:{file}"
            if sha256 is not None:
                source = str(stack.enter_context(pinned(Path(source), sha256)))
                stack.enter_context(running_code("allowed"))
            elif file is not None:
                stack.enter_context(running_code("refused"))
            try:
                generator = self.plugins.ask(
                    name, "load_generator", source=source or None, device=torch_device(device), settings=asked
                )
            except CodeRefused as error:
                raise _needs_a_digest(model, Path(source)) from error
            generator = checked_generator(generator, name, self.plugins.describe(name))
        return replace(generator, source=model)

    def feature_map(self, generator: Generator, space: str) -> FeatureMap:
        """The map to ``SPACE``, one of the generator's own or the host's, or to ``PLUGIN:SPACE``, such as
        ``perceptual:inception`` or ``torch:my_module:make_features``.

        Raises:
            UsageError: nobody knows that space.
            PolarPriorError: only a file names it, see `polarprior.user_functions.named_by_the_user`.
        """
        from polarprior.checks import checked_feature_map

        self._check_named(generator, space)
        plugin, _, named = space.partition(":") if ":" in space else ("", "", space)
        if plugin:
            self.plugins.require(plugin, "get_feature_map", space)
        asked = [plugin] if plugin else [generator.plugin, builtin.NAME]
        name, answer = self.plugins.first_answer(
            asked, "get_feature_map", generator=generator, space=named, host=self
        )
        if answer is None:
            own = ", ".join(["pixel", *generator.spaces])
            givers = [status.name for status in self.plugins.statuses if "get_feature_map" in status.hooks]
            others = ", ".join(sorted({*givers} - {builtin.NAME, generator.plugin}))
            raise UsageError(
                f"space: got {space!r}, expected {own}" + (f", or PLUGIN:SPACE of {others}" if others else ""),
                "use space=pixel",
            )
        return checked_feature_map(answer, generator, self.plugins.describe(name))

    def _check_named(self, generator: Generator, space: str) -> None:
        """PolarPriorError for a space that only a file names, and that is not known by its name alone."""

        def known_by_name() -> list[str]:
            plugin = space.partition(":")[0] if ":" in space else generator.plugin
            names = list(self.plugins.ask(plugin, "space_names") or ())
            if plugin != generator.plugin:
                return ["pixel", *(f"{plugin}:{name}" for name in names)]
            names += generator.spaces
            return ["pixel", *names, *(f"{plugin}:{name}" for name in names)]

        named_by_the_user("space", space, known_by_name)

    def jacobian_fn(self, generator: Generator, space: str = "pixel", domain: str = "z") -> JacobianFn:
        """The Jacobian of the map from `domain` to `space`: the plugin's own, or its images' composed with a
        feature map.

        Raises:
            UsageError: the model doesn't have that domain, or nobody knows that space.
        """
        from polarprior.checks import checked_jacobian_fn
        from polarprior.jacobian.of_generator import through

        if domain not in generator.domains:
            raise UsageError(
                f"domain: got {domain!r}, {generator.plugin} has {', '.join(generator.domains)}",
                f"use domain={generator.domains[0]}",
            )
        self._check_named(generator, space)
        asked = [generator.plugin, builtin.NAME]
        name, answer = self.plugins.first_answer(
            asked, "jacobian_fn", generator=generator, space=space, domain=domain, host=self
        )
        if answer is None and space == "pixel":
            raise PluginError(
                f"plugin {self.plugins.describe(generator.plugin)} declares the domain {domain!r}, "
                "but answers no jacobian_fn for it",
                "report it to the plugin's authors",
            )
        if answer is None:
            feature_map = self.feature_map(generator, space)
            return through(feature_map, self.jacobian_fn(generator, "pixel", domain))
        whose = generator.plugin if name == builtin.NAME else name  # the host differentiates what the model does
        return checked_jacobian_fn(answer, generator, self.plugins.describe(whose))

    def latent_sampler(
        self, generator: Generator, bank: Bank | None = None, rho: float = 0.0, **options: Unpack[SamplerKeywords]
    ) -> LatentSampler:
        """A sampler of the polarity prior.

        Args:
            generator: whose prior is reweighted.
            bank: spectra of its latents.
            rho: the polarity; negative towards modes, positive towards anti-modes.
            options: fields of `SamplerOptions`: sampler, which is ``bank``, ``online``, ``paper-online``, or
                ``PLUGIN`` or ``PLUGIN:NAME`` of one that gives some; k, draws, label, support, hold, force, joint,
                tilt.

        Raises:
            UsageError: no such sampler, or an argument out of range.
            BankError: the bank doesn't fit the generator or its settings.
            PolarPriorError: rho is outside the bank's limits.
        """
        from polarprior.checks import checked_sampler

        check_names(options, list(SamplerOptions.DOMAINS))
        asked = SamplerOptions(**options)
        check_strength(rho or None, asked.tilt)
        plugin = asked.sampler.partition(":")[0]
        if asked.sampler not in SAMPLERS:
            self._check_sampler(plugin)
            rho, asked = _without_tilt(bank, rho, asked)
            if asked.joint:
                raise UsageError(
                    f"joint: {asked.sampler} draws no law of latents and classes together", "use sampler=bank"
                )
        name, answer = self.plugins.first_answer(
            [generator.plugin, builtin.NAME] if asked.sampler in SAMPLERS else [plugin],
            "get_latent_sampler",
            generator=generator,
            bank=bank,
            rho=float(rho),
            options=asked,
            host=self,
        )
        if answer is None:
            raise UsageError(f"sampler: {asked.sampler} declines {generator.plugin}", "use sampler=bank")
        return checked_sampler(answer, generator, bank, asked, self.plugins.describe(name))

    def _check_sampler(self, name: str) -> None:
        """Raise unless a plugin of that name gives a sampler."""
        own = {status.name for status in self.plugins.statuses if "get_latent_sampler" in status.hooks}
        known = [*SAMPLERS, *sorted(own - {builtin.NAME})]
        if name not in known and all(status.name != name for status in self.plugins.statuses):
            raise UsageError(
                f"sampler: got {name!r}, expected one of {', '.join(known)}",
                f"use sampler={nearest(name, known)}",
            )
        self.plugins.require(name, "get_latent_sampler", name)

    def stock_repos(self) -> list[StockRepo]:
        """What all plugins say of stock repositories; a plugin that fails is skipped, with a line on stderr."""
        return [repo for _, repo in self._stock_repos]

    def connector(self, repo: StockRepo) -> Callable[[Any], None] | None:
        """What puts hands on the seam of `repo`, imported now; None where its plugin names what is not there or can't
        be imported: it is skipped, with a line on stderr."""
        if callable(repo.connect):
            return repo.connect
        plugin = next(name for name, each in self._stock_repos if each is repo)
        return self.plugins.imported(plugin, repo.connect)

    @cached_property
    def _stock_repos(self) -> list[tuple[str, StockRepo]]:
        """(plugin, repository) of all plugins."""
        answers = self.plugins.ask_each("stock_repos")
        return [(name, repo) for name, answer in answers.items() for repo in answer]

    def register_commands(self, cli: click.Group) -> None:
        """Let every plugin add its commands."""
        self.plugins.ask_each("register_commands", cli=cli)

    def register_training(self, train: click.Group) -> None:
        """Let every plugin add what it trains."""
        self.plugins.ask_each("register_training", train=train)

    def for_workers(self) -> HostName:
        """This host by what another process can load.

        Raises:
            UsageError: a plugin that is in this process alone, by its name.
        """
        points = self.plugins.points
        if points is None:
            return HostName()
        for point in points:
            if not self.plugins.can_be_found(point):
                raise UsageError(
                    f"host: its plugin {point.name} ({point.value}) is in this process alone, and workers of their "
                    "own processes can't import it",
                    "write it into a module that can be imported, or use workers=1",
                )
        return HostName(tuple((point.name, point.value) for point in points))


@dataclass(frozen=True)
class HostName:
    """A host by what another process can load.

    Attributes:
        points: the entry points of its plugins, (name, module) each; None for those that are installed.
    """

    points: tuple[tuple[str, str], ...] | None = None

    def host(self) -> Host:
        """Make that host in this process."""
        return Host(None if self.points is None else Plugins.of(self.points))


def _needs_a_digest(model: str, path: Path) -> UsageError:
    """The error for a file of the Hub that runs code when it is opened."""
    digest = sha256_of(path) if path.is_file() else "HEX"
    return UsageError(
        f"sha256: none given, and {model} is a pickle, which runs the code that it holds: it was not opened",
        f"where you trust it, add sha256={digest}",
    )


def _without_tilt(bank: Bank | None, rho: float, asked: SamplerOptions) -> tuple[float, SamplerOptions]:
    """What is asked for, by its rho alone: plugins that are samplers know of no tilt."""
    if asked.tilt is None:
        return rho, asked
    from polarprior.law.tilt import rho_at

    if bank is None:
        raise UsageError(
            f"tilt: {asked.sampler} was given no bank, and the standard deviation of the log-volume is a bank's",
            "add bank=BANK, or use rho=RHO",
        )
    if bank.labels is not None and asked.label is None:
        raise UsageError(
            f"tilt: {asked.sampler} takes one rho, and each class has another standard deviation",
            "name a class with label=NUMBER, or use rho=RHO",
        )
    k = bank.info.k if asked.k is None else asked.k
    return rho_at(rho, asked.tilt, bank, k, asked.label), replace(asked, tilt=None)


@cache
def default_host() -> Host:
    """The host with the installed plugins; made once a process.

    It is for those at the door: the public functions, the command line and the stock launcher. What is behind the
    door is handed a host, or the function of one that it needs.
    """
    return Host()
