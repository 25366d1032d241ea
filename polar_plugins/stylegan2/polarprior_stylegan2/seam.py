"""Where latents pass in the stock scripts: the mapping network of the generator that they load."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from polarprior.plugin import PolarPriorError, Settings, StockRun, StockSampler, UsageError, ending_the_script

from polarprior_stylegan2.generator import generator_of, kind_of
from polarprior_stylegan2.pickles import NETWORK

METRIC_IMAGES = 50_000


def connect(run: StockRun) -> None:
    """Hook every generator that the script loads."""
    hook_networks(run, _hook_network)


def hook_networks(run: StockRun, hook: Callable[[Any, StockRun], None]) -> None:
    """Give `hook` every generator that the script loads; all scripts load it through ``legacy.load_network_pkl``."""

    def hook_loader(legacy: Any) -> None:
        original = legacy.load_network_pkl

        @wraps(original)
        def load_network_pkl(*args: Any, **kwargs: Any) -> Any:
            data = original(*args, **kwargs)
            with ending_the_script():
                check_video_writer(run.script)
            hook(data[NETWORK], run)
            return data

        legacy.load_network_pkl = load_network_pkl

    run.after_import("legacy", hook_loader)


def check_video_writer(script: str) -> None:
    """Raise PolarPriorError where gen_video.py lacks what it writes with, which imageio looks for at the end only."""
    if script == "gen_video.py" and find_spec("imageio_ffmpeg") is None:
        raise PolarPriorError(
            f"script: {script} writes with imageio-ffmpeg, which is not installed",
            "type: pip install imageio imageio-ffmpeg",
        )


def keep_to_float32(network: Any, run: StockRun) -> None:
    """Have the synthesis network compute in float32 where the script works on a CPU: half precision is for GPUs."""
    if run.device.type == "cpu" and any(getattr(layer, "use_fp16", False) for layer in network.modules()):
        network.synthesis.register_forward_pre_hook(_in_float32, with_kwargs=True)


def _hook_network(network: Any, run: StockRun) -> None:
    keep_to_float32(network, run)
    if run.polarity is None:
        return
    with ending_the_script():
        kind = kind_of(network)
        if kind is None:
            raise PolarPriorError(
                f"--network: a {type(network).__name__} without mapping and synthesis networks has no seam",
                "leave --polarity out",
            )
        use = use_of(run, kind.has_noise, network.c_dim)
        source = f"{kind.plugin}:{run.values().get('network_pkl')}"
        generator = replace(generator_of(network, use.settings), source=source)
    label = None if generator.num_classes is None else use.label
    sampler = run.sampler(generator, label, use.draws, replaces_label=True)
    network.mapping.register_forward_pre_hook(Redraw(sampler, network.c_dim), with_kwargs=True)


def _in_float32(synthesis: Any, args: Any, kwargs: Any) -> Any:
    return args, {**kwargs, "force_fp32": True}


class Redraw:
    """A forward pre-hook of a network that is given z [n, K], which become latents of the polarity prior.

    Each row by its own hash, so that order, batches and calls for other purposes don't matter. A joint law replaces
    the classes as well, which no other network may see then. It is copied and pickled with the network.

    Args:
        sampler: gives the latents.
        num_classes: of the generator, 0 where it has none.
        names: what the network's ``forward`` calls z and c, the classes [n, num_classes].
    """

    def __init__(self, sampler: StockSampler, num_classes: int, names: tuple[str, str] = ("z", "c")):
        self._sampler = sampler
        self._num_classes = num_classes
        self._names = names

    def __call__(self, network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Take the arguments of ``network(z, c, ...)``, by position or by name."""
        given = dict(zip(self._names, args, strict=False)) | kwargs
        z, c = given[self._names[0]], given.get(self._names[1])
        if self._num_classes == 0:
            drawn = self._sampler.redraw_both(z)
        elif c is None:  # the network will say so
            return args, kwargs
        elif bool((((c == 0) | (c == 1)).all(1) & (c.sum(1) == 1)).all()):
            drawn = self._sampler.redraw_both(z, c.argmax(1))
        elif len(z) == 1:  # what calc_metrics.py makes a summary of the module with: memory as it was found
            return args, kwargs
        else:
            with ending_the_script():
                raise PolarPriorError(
                    "rho: labels that are no single class, and a bank's weights are within a class",
                    "leave it out",
                )
        if drawn.label is not None:
            c = (drawn.label[:, None] == torch.arange(self._num_classes, device=z.device)).to(c)
        put = dict(zip(self._names, (drawn.z, c), strict=True))
        by_position = [put[name] for name in self._names[: len(args)]]
        return (*by_position, *args[2:]), kwargs | {name: put[name] for name in put if name in kwargs}


class Use(NamedTuple):
    """How a script uses the network: its settings, the class and the number of latents that it draws, if known."""

    settings: Settings
    label: int | None = None
    draws: int = 0


def use_of(run: StockRun, has_noise: bool, num_classes: int) -> Use:
    """What the script's command line came to, for a generator with noise inputs or none, and its classes.

    Raises:
        UsageError: it asks for something that has no place for a polarity prior.
    """
    values = run.values()
    if run.script == "calc_metrics.py":
        return use_of_metrics(run, has_noise, num_classes)
    if values.get("projected_w") is not None:
        raise UsageError("rho: --projected-w draws no latents", "leave one of them out")
    noise = values.get("noise_mode", "const") if has_noise else None
    seeds = {seed for name in ("seeds", "row_seeds", "col_seeds") for seed in values.get(name) or ()}
    if noise == "random":
        raise UsageError(
            "--noise-mode: got random, and a bank's log-volumes are those of a fixed noise",
            "use --noise-mode=const, or leave --polarity out",
        )
    if "truncation_psi" not in values:
        raise UsageError(
            f"rho: the command line of {run.script} has no truncation_psi, as that of the original has",
            "leave it out: this checkout has been changed",
        )
    return Use(Settings(trunc=values["truncation_psi"], noise_mode=noise), values.get("class_idx"), len(seeds))


def use_of_metrics(run: StockRun, has_noise: bool, num_classes: int) -> Use:
    """The same of ``calc_metrics.py``, which draws all classes."""
    metrics: list[str] = run.values()["metrics"]
    for metric in metrics:
        if metric.startswith("ppl_z"):
            raise UsageError(
                f"--metrics: {metric} interpolates between latents, and what lies between draws is none",
                "use ppl2_wend, which interpolates styles, or leave --polarity out",
            )
    run.check_all_classes(num_classes)
    noise = run.bank.info.settings.noise_mode
    if has_noise:
        print(
            f"warning: the metrics draw noise anew for each image; log-volumes are those of noise mode {noise}",
            file=sys.stderr,
        )
    pairs = any(metric.startswith("ppl") for metric in metrics)
    return Use(Settings(trunc=1.0, noise_mode=noise), None, 2 * METRIC_IMAGES if pairs else METRIC_IMAGES)
