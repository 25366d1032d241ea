"""Where latents pass in evaluate.py: the sampler of its AutoEncoder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import wraps
from shlex import quote
from types import ModuleType
from typing import Any

import torch
from polarprior.plugin import Settings, StockRun, StockSampler, UsageError, ending_the_script

from polarprior_nvae.generator import generator_of, norm_and_swish
from polarprior_nvae.noise import draw_as_stock, feeding, group_shapes, groups_of

IMAGES = 50_000
"""Images that evaluate.py draws in all its processes, whatever it is asked for."""


def connect(run: StockRun) -> None:
    """Mend what today's libraries have broken, and feed the sampler with noise of the polarity prior."""
    torch.serialization.add_safe_globals([argparse.Namespace])
    run.after_import("utils", _count_by_numbers)
    if run.device.type != "cuda":
        run.after_import("thirdparty.inplaced_sync_batchnorm", _normalise_anywhere)
    if run.polarity is not None:
        run.after_import("model", lambda model: _hook(model, run))


def _count_by_numbers(utils: Any) -> None:
    """numpy sums no generators any more."""

    def count_parameters_in_M(model: Any) -> float:
        return sum(value.numel() for name, value in model.named_parameters() if "auxiliary" not in name) / 1e6

    utils.count_parameters_in_M = count_parameters_in_M


def _normalise_anywhere(module: ModuleType) -> None:
    """Batch norm off the GPU, in training too where no other process has statistics to be shared."""
    module.SyncBatchNormSwish.forward = _where_it_can_be(module.SyncBatchNormSwish.forward, norm_and_swish)
    torch.nn.SyncBatchNorm.forward = _where_it_can_be(torch.nn.SyncBatchNorm.forward, torch.nn.BatchNorm2d.forward)  # type: ignore[method-assign]


def _where_it_can_be(original: Callable[..., Any], anywhere: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def forward(layer: Any, x: torch.Tensor) -> Any:
        shared = layer.training and torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1
        return (original if shared else anywhere)(layer, x)

    return forward


def _hook(model: ModuleType, run: StockRun) -> None:
    original = model.AutoEncoder.sample
    samplers: list[StockSampler] = []

    @wraps(original)
    def sample(network: Any, num_samples: int, t: float) -> Any:
        if not samplers:
            with ending_the_script():
                samplers.append(_sampler(run, network, t))
        shapes = group_shapes(network)
        noise = samplers[0].redraw(draw_as_stock(num_samples, shapes, network.prior_ftr0.device))
        with feeding(sys.modules[model.Normal.__module__], groups_of(noise, shapes)):
            return original(network, num_samples, t)

    model.AutoEncoder.sample = sample


def _sampler(run: StockRun, network: Any, temperature: float) -> StockSampler:
    """Raises UsageError where the script does something that has no place for a polarity prior."""
    if run.values().get("readjust_bn"):
        own = quote(run.values()["checkpoint"])
        raise UsageError(
            "rho: --readjust_bn changes the network, and a bank is for the network as it was loaded",
            f"type python -m polarprior_nvae.readjust {own} --temp {temperature:g} --out readjusted.pt, build a bank "
            "of it, and name it to --checkpoint without --readjust_bn",
        )
    draws = IMAGES // run.values()["world_size"]
    return run.sampler(generator_of(network, Settings(temperature=temperature)), None, draws)
