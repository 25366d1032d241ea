"""Where latents pass in the stock scripts: the mapping network of the generator that they load."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import wraps
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from polarprior.plugin import PolarPriorError, Settings, StockRun, StockSampler, UsageError, ending_the_script

from polarprior_stylegan2.generator import Kind, generator_of, kind_of
from polarprior_stylegan2.pickles import NETWORK

METRIC_IMAGES = 50_000


def connect(run: StockRun) -> None:
    """Hook every generator that the script loads; all of them load it through ``legacy.load_network_pkl``."""

    def hook_loader(legacy: Any) -> None:
        original = legacy.load_network_pkl

        @wraps(original)
        def load_network_pkl(*args: Any, **kwargs: Any) -> Any:
            data = original(*args, **kwargs)
            with ending_the_script():
                check_video_writer(run.script)
            _hook_network(data[NETWORK], run)
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


def _hook_network(network: Any, run: StockRun) -> None:
    if run.device.type == "cpu" and any(getattr(layer, "use_fp16", False) for layer in network.modules()):
        network.synthesis.register_forward_pre_hook(_in_float32, with_kwargs=True)
    if run.polarity is None:
        return
    with ending_the_script():
        kind = kind_of(network)
        if kind is None:
            raise PolarPriorError(
                f"--network: a {type(network).__name__} without mapping and synthesis networks has no seam",
                "leave --polarity out",
            )
        use = _use(run, kind, network)
        source = f"{kind.plugin}:{run.values().get('network_pkl')}"
        generator = replace(generator_of(network, use.settings), source=source)
    label = None if generator.num_classes is None else use.label
    sampler = run.sampler(generator, label, use.draws, replaces_label=True)
    network.mapping.register_forward_pre_hook(Redraw(sampler), with_kwargs=True)


def _in_float32(synthesis: Any, args: Any, kwargs: Any) -> Any:
    """Half precision is for GPUs."""
    return args, {**kwargs, "force_fp32": True}


class Redraw:
    """A forward pre-hook of a mapping network: its z [n, K] become latents of the polarity prior.

    Each row by its own hash, so that order, batches and calls for other purposes don't matter. A joint law replaces
    the classes as well, which only the mapping network sees. It is copied and pickled with the network.
    """

    def __init__(self, sampler: StockSampler):
        self._sampler = sampler

    def __call__(self, mapping: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Take the arguments of ``mapping(z, c, ...)``, by position or by name."""
        names = dict(zip(("z", "c"), args, strict=False)) | kwargs
        z, c = names["z"], names.get("c")
        if mapping.c_dim == 0:
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
            c = (drawn.label[:, None] == torch.arange(mapping.c_dim, device=z.device)).to(c)
        put = {"z": drawn.z, "c": c}
        by_position = [put[name] for name in ("z", "c")[: len(args)]]
        return (*by_position, *args[2:]), kwargs | {name: put[name] for name in put if name in kwargs}


class _Use(NamedTuple):
    """How a script uses the network: its settings, the class and the number of latents that it draws, if known."""

    settings: Settings
    label: int | None = None
    draws: int = 0


def _use(run: StockRun, kind: Kind, network: Any) -> _Use:
    """What the script's command line came to.

    Raises:
        UsageError: it asks for something that has no place for a polarity prior.
    """
    values = run.values()
    if run.script == "calc_metrics.py":
        return _use_of_metrics(run, kind, values["metrics"], network.c_dim)
    if values.get("projected_w") is not None:
        raise UsageError("rho: --projected-w draws no latents", "leave one of them out")
    noise = values.get("noise_mode", "const") if kind.has_noise else None
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
    return _Use(Settings(trunc=values["truncation_psi"], noise_mode=noise), values.get("class_idx"), len(seeds))


def _use_of_metrics(run: StockRun, kind: Kind, metrics: list[str], num_classes: int) -> _Use:
    for metric in metrics:
        if metric.startswith("ppl_z"):
            raise UsageError(
                f"--metrics: {metric} interpolates between latents, and what lies between draws is none",
                "use ppl2_wend, which interpolates styles, or leave --polarity out",
            )
    run.check_all_classes(num_classes)
    noise = run.bank.info.settings.noise_mode
    if kind.has_noise:
        print(
            f"warning: the metrics draw noise anew for each image; log-volumes are those of noise mode {noise}",
            file=sys.stderr,
        )
    pairs = any(metric.startswith("ppl") for metric in metrics)
    return _Use(Settings(trunc=1.0, noise_mode=noise), None, 2 * METRIC_IMAGES if pairs else METRIC_IMAGES)
