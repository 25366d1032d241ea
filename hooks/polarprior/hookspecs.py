"""What a plugin may answer. Arguments are passed by name; a hook may take any of them; None declines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    import click
    import torch
    from typing_extensions import Unpack

    from polarprior.bank.bank import Bank
    from polarprior.generator import Generator
    from polarprior.jacobian.feature_map import FeatureMap
    from polarprior.jacobian.of_generator import JacobianFn
    from polarprior.samplers.contract import LatentSampler, SamplerKeywords, SamplerOptions
    from polarprior.settings import OwnSetting, Settings
    from polarprior.stock_repo import StockRepo

PROJECT = "polarprior"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class AskingHost(Protocol):
    """The `polarprior.host.Host` that asks a hook: what the hook needs of other plugins, it asks of this one.

    A process may have several hosts; a plugin that asked another would miss plugins that only this one knows.
    """

    def feature_map(self, generator: Generator, space: str) -> FeatureMap:
        """The map to a space, of whichever plugin gives it."""
        ...

    def jacobian_fn(self, generator: Generator, space: str = "pixel", domain: str = "z") -> JacobianFn:
        """The Jacobian of the map from a domain to a space."""
        ...

    def latent_sampler(
        self, generator: Generator, bank: Bank | None = None, rho: float = 0.0, **options: Unpack[SamplerKeywords]
    ) -> LatentSampler:
        """A sampler of the polarity prior."""
        ...


class HookSpecs:
    """The hooks. The host asks ONE plugin: the generator's own, then the one named, then its own default.

    Three of them carry what a plugin knows of its model: `get_latent_sampler`, `get_feature_map` and `jacobian_fn`.
    The host has an answer of its own to each, for models that no plugin knows (``torch:MODULE:FUNCTION``) and for
    plugins that decline. What that answer is made of, a plugin calls for its own: the building blocks that are named
    below, all in `polarprior.plugin`.
    """

    @hookspec
    def load_generator(self, source: str | None, device: torch.device, settings: Settings) -> Generator | None:
        """Load a pretrained generator.

        Args:
            source: what stands behind the colon of ``PLUGIN:SOURCE`` (a file, a folder, a name), or None.
            device: where to put it.
            settings: what is asked for; None fields, and own settings that are not there, mean the model's default.

        Returns:
            A Generator whose `settings` are those in force, in eval mode, on `device`.

        Raises:
            PolarPriorError: the source can't be loaded, or a setting is one that the model doesn't have.
        """

    @hookspec
    def own_settings(self, source: str | None) -> Mapping[str, OwnSetting] | None:
        """The settings that the plugin's models have besides truncation, temperature and noise mode.

        Such as the steps of a sampler, or the strength of guidance: what changes a Jacobian. They are typed as
        ``--set NAME=VALUE``, given as keywords in Python, stored in banks and compared. `load_generator` finds those
        that are asked for in ``settings.own``, and says in the generator's ``settings`` which are in force, defaults
        among them.

        Args:
            source: what stands behind the colon of ``PLUGIN:SOURCE``, or None.

        Returns:
            By name, a `polarprior.plugin.OwnSetting` for each.
        """

    @hookspec
    def get_latent_sampler(
        self, generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
    ) -> LatentSampler | None:
        """A sampler of the polarity prior p(z) exp(rho · l(z)) for this generator.

        Answer it where the latents live otherwise than the generator says of itself. A standard normal prior is named
        ``normal`` and a model that puts z on a sphere says ``normalizes_latent``; of any other prior the host knows
        the length |z| alone. The building block is `polarprior.plugin.reweighting_sampler`, the samplers ``bank``,
        ``online`` and ``paper-online``, which is given a `polarprior.plugin.Geometry`: the lengths that the prior
        keeps, for ``support=shell``, and its log-density, to tell whether a law leaves that shell. Answer it as well
        where the plugin is a sampler of its own, which users ask for by name.

        Args:
            generator: whose prior is reweighted.
            bank: spectra of its latents; None for samplers that need none.
            rho: the polarity; 0 is the model's own prior. Of the host's samplers ``options.tilt`` may be given in its
                place; of others it has been turned into a rho.
            options: which sampler, k, draws, the class, support, what is held, force, and whether classes are drawn
                with the latents. A model plugin that differs from the host in one of the host's samplers looks at
                ``options.sampler``, and declines the others.
            host: who asks; ``host.jacobian_fn`` is what true log-volumes are taken with.

        Returns:
            A LatentSampler: ``redraw(z [n, *shape], label [n] | None)`` and ``sample(seeds, label)``, both to
            Latents with z [n, *shape]. A draw depends on the stock latent and its label alone. The label stays,
            unless ``options.joint`` asks for a joint law. It may also be a
            `polarprior.plugin.Explained` and a `polarprior.plugin.Weighted`.
        """

    @hookspec
    def get_feature_map(self, generator: Generator, space: str, host: AskingHost) -> FeatureMap | None:
        """The map to a space in which volume is measured, and images are compared.

        Answer it where the checkpoint holds a network that looks at images, such as its discriminator
        (`polarprior.plugin.Discriminator`, `polarprior.plugin.discriminator_map`) or its encoder, and where the
        plugin brings a space for any generator. `polarprior.plugin.one_at_a_time` keeps a network whose layers look
        at the whole batch from doing so. Where a checkpoint lacks what another one of its kind has, raise a
        UsageError that says so, rather than decline. The host answers ``pixel``.

        Args:
            generator: whose images are mapped; a plugin that has spaces for its own models alone looks at
                ``generator.plugin``.
            space: its name, such as ``pixel`` or ``vgg16``.
            host: who asks; ``host.feature_map`` gives the map that another one is made from.

        Returns:
            A FeatureMap: images [n, C, H, W] in [-1, 1] to features [n, D], deterministic, each row on its
            own, differentiable.
        """

    @hookspec
    def space_names(self) -> Iterable[str] | None:
        """The spaces that `get_feature_map` gives for any generator, as far as it knows them by their names.

        A bank that somebody else made may be in one of these, and in those that a generator lists. A space that is
        named by a file or by code is none of them: that has to come from the user.

        Returns:
            What stands behind the colon, such as ``vgg16`` of ``perceptual:vgg16``.
        """

    @hookspec
    def jacobian_fn(self, generator: Generator, space: str, domain: str, host: AskingHost) -> JacobianFn | None:
        """The Jacobian of the map from a domain to a space.

        Answer it where the model needs another pass to be differentiated, traced or fast: fused operators taken
        apart, norms folded, a normalisation done beforehand; where it has a domain besides ``z``; and where the
        Jacobian knows in which directions it stretches. The building blocks are
        `polarprior.plugin.traced_jacobian_fn`, which traces a function of latents that gives the model's own images,
        `polarprior.plugin.style_jacobian_fn` for a mapping and a synthesis network,
        `polarprior.plugin.TracedJacobian` and `polarprior.plugin.LinearMap` for maps of other kinds, and
        `polarprior.plugin.prepare` for the latents. The host traces ``generator.synthesize``.

        Args:
            generator: the model.
            space: where volume is measured. A plugin with a fast tangent pass for its images answers
                ``pixel``; the host composes it with any feature map.
            domain: where latents live, one of ``generator.domains``.
            host: who asks; ``host.feature_map`` gives the maps of other spaces.

        Returns:
            A function of Latents (or of a bare Tensor z [n, *shape] where there are no classes) to a
            LinearMap: ``jvp`` [n, K, m] to [n, D, m] and ``vjp`` [n, D, m] to [n, K, m]. Where the model
            normalises z, it is put on the sphere of radius sqrt(K) first
            (`polarprior.plugin.prepare`).
        """

    @hookspec
    def stock_repos(self) -> list[StockRepo] | None:
        """The stock repositories whose scripts this plugin can give a polarity prior.

        Returns:
            A StockRepo for each.
        """

    @hookspec
    def register_training(self, train: click.Group) -> None:
        """Add what the plugin trains to ``polarprior train``.

        Args:
            train: the group of ``polarprior train``; use ``train.add_command(command)``. Called whenever that
                group's commands are listed, so don't import torch here.
        """

    @hookspec
    def register_commands(self, cli: click.Group) -> None:
        """Add commands to the command line.

        Args:
            cli: the group of ``polarprior``; use ``@cli.command()``. Called before any command runs, so
                don't import torch here.
        """
