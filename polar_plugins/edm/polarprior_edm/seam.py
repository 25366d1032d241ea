"""Where latents pass in generate.py and generate_images.py: the call of their sampler, with the noise and the classes
that they have drawn for a batch of seeds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from inspect import signature
from typing import Any, NamedTuple

import torch
from polarprior.plugin import Settings, StockRun, StockSampler, UsageError, ending_the_script
from tqdm import tqdm

from polarprior_edm.generator import generator_of
from polarprior_edm.pickles import check_images

SAMPLER = "edm_sampler"


class Script(NamedTuple):
    """How a script calls its sampler: the plugin that serves it, the names of the noise and of the classes, and the
    names of its own for our settings."""

    plugin: str
    noise: str
    classes: str
    settings: Mapping[str, str]


_SETTINGS = {"steps": "num_steps", "sigma_min": "sigma_min", "sigma_max": "sigma_max", "exponent": "rho"}
SCRIPTS = {
    "generate.py": Script("edm", "latents", "class_labels", _SETTINGS),
    "generate_images.py": Script("edm2", "noise", "labels", {**_SETTINGS, "guidance": "guidance"}),
}
ABLATIONS = {"solver": "--solver", "discretization": "--disc", "schedule": "--schedule", "scaling": "--scaling"}


def connect(run: StockRun) -> None:
    """Put a polarity prior in front of the sampler, once the script loads its network: then both are known."""
    if run.polarity is None:
        return
    seam = _Seam(run)

    def hook(util: Any) -> None:
        original = util.open_url

        @wraps(original)
        def open_url(url: str, *args: Any, **kwargs: Any) -> Any:
            with ending_the_script():
                check_use(run.values())
            seam.sources.append(url)
            seam.take_hold(util)
            return original(url, *args, **kwargs)

        util.open_url = open_url

    run.after_import("dnnlib.util", hook)


def check_use(values: Mapping[str, Any]) -> None:
    """Raise UsageError where a script's command line has no place for a polarity prior."""
    if values.get("S_churn"):
        raise UsageError(
            f"rho: --S_churn {values['S_churn']:g} adds noise on the way, where a latent has no picture of its own",
            "leave one of them out",
        )
    for name, flag in ABLATIONS.items():
        if values.get(name) is not None:
            raise UsageError(
                f"rho: {flag} chooses another sampler, and a bank's log-volumes are those of the usual one",
                "leave one of them out",
            )


class _Seam:
    """Replaces what a batch holds when the sampler is called with it.

    Attributes:
        sources: what the script has opened so far: its network, and what guides it.
    """

    def __init__(self, run: StockRun):
        self._run, self._script = run, SCRIPTS[run.script]
        self._sampler: StockSampler | None = None
        self._held = False
        self.sources: list[str] = []

    def take_hold(self, util: Any) -> None:
        """Stand in front of the sampler: generate.py calls it by its name, generate_images.py by `util`."""
        if self._held:
            return
        self._held = True
        if self._script.plugin == "edm":
            main = sys.modules["__main__"]
            setattr(main, SAMPLER, self.around(getattr(main, SAMPLER)))
            return
        original = util.call_func_by_name

        @wraps(original)
        def call_func_by_name(*args: Any, func_name: Any = None, **kwargs: Any) -> Any:
            ours = getattr(func_name, "__name__", None) == SAMPLER
            return original(*args, func_name=self.around(func_name) if ours else func_name, **kwargs)

        util.call_func_by_name = call_func_by_name

    def around(self, sampler: Callable[..., Any]) -> Callable[..., Any]:
        """The script's sampler, from latents of the polarity prior."""
        takes = signature(sampler)

        @wraps(sampler)
        def drawing(*args: Any, **kwargs: Any) -> Any:
            given = takes.bind(*args, **kwargs)
            given.apply_defaults()
            names = given.arguments
            if self._sampler is None:
                with tqdm.external_write_mode(file=sys.stderr), ending_the_script():  # the script's bar is there
                    self._sampler = self._sampler_of(names)
            z, classes = names[self._script.noise], names[self._script.classes]
            drawn = self._sampler.redraw_both(z, None if classes is None else classes.argmax(1))
            names[self._script.noise] = drawn.z
            if drawn.label is not None:
                numbers = torch.arange(classes.shape[1], device=classes.device)
                names[self._script.classes] = (drawn.label[:, None] == numbers).to(classes)
            return sampler(*given.args, **given.kwargs)

        return drawing

    def _sampler_of(self, names: Mapping[str, Any]) -> StockSampler:
        """The law of the network that the script's sampler is called with, at the settings of that call.

        Raises:
            UsageError: a bank that lacks classes which the script draws.
            PolarPriorError: images that a decoder makes.
        """
        run, plugin = self._run, self._script.plugin
        network = names["net"]
        check_images(network)
        settings = Settings(own={ours: names[theirs] for ours, theirs in self._script.settings.items()})
        guide = names["gnet"] if names.get("guidance", 1) != 1 else None
        made = generator_of(plugin, network, guide, settings).on(run.device)
        generator = replace(made, source=f"{plugin}:{'+'.join(self.sources)}")
        values, classes = run.values(), generator.num_classes
        label, draws = values.get("class_idx"), len(set(values["seeds"]))
        if classes is None:
            return run.sampler(generator, None, draws, replaces_label=True)
        if label is None:
            run.check_all_classes(classes)
            joint = run.polarity is not None and run.polarity.joint
            draws = draws if joint else -(-draws // classes)  # of each class
        return run.sampler(generator, label, draws, replaces_label=True)
