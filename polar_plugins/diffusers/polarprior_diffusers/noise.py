"""The latents that a pipeline draws for a seed, one generator a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from polarprior.plugin import LatentPrior, UsageError
from torch import Tensor

from polarprior_diffusers.layout import Layout, places_of
from polarprior_diffusers.recording import record
from polarprior_diffusers.running import Runner


def noise_prior(runner: Runner, comfyui: bool) -> LatentPrior:
    """What ``generator=[torch.Generator().manual_seed(seed)]`` makes the pipeline draw, as ``latents=`` takes it.

    How the pipeline lays it out, such as FLUX's as tokens, is found by watching it. A model of less than float32
    draws other numbers for a seed, and its prior has another name, so that a bank of one is refused to the other.

    Args:
        runner: of the pipeline.
        comfyui: draw in float32 whatever the model has, as ComfyUI does.

    Raises:
        UsageError: the pipeline draws nothing, or something that ``latents=`` doesn't take.
    """
    drawn: list[Tensor] = []

    def noted(x: Tensor) -> Tensor:
        drawn.append(x)
        return x

    shown = _first_shown(runner, noted)
    if not drawn:
        raise _refusal(runner)
    shape, dtype = drawn[0].shape, torch.float32 if comfyui else drawn[0].dtype
    layout = Layout(None)
    try:
        if shape != shown.shape:
            moved = partial(_moved, runner, drawn[0])
            layout = Layout(places_of(moved, shape[1:]))
        again = _first_shown(runner, latents=layout(drawn[0]))
    except ValueError as error:
        raise _refusal(runner) from error
    if not torch.equal(again, shown):
        raise _refusal(runner)
    name = "normal" if dtype == torch.float32 else f"normal drawn in {str(dtype).removeprefix('torch.')}"
    return LatentPrior(name, tuple(shown.shape[1:]), partial(_rows, tuple(shape), dtype, layout))


def _moved(runner: Runner, like: Tensor, x: Tensor) -> Tensor:
    """What the network is shown first where x is drawn."""
    return _first_shown(runner, lambda _: x.to(like))


def _first_shown(runner: Runner, draws: Callable[[Tensor], Tensor] | None = None, **call: Any) -> Tensor:
    stream = [torch.Generator().manual_seed(0)]
    found = record(runner, 1, runner.first_label(1), torch.zeros_like, draws, generator=stream, **call)
    return found.calls[0].shown[:1]


def _rows(shape: tuple[int, ...], dtype: torch.dtype, layout: Layout, seeds: np.ndarray) -> np.ndarray:
    """Latents of seeds, float32 [n, ...]; to seed one stream again gives the same numbers as a new one."""
    stream = torch.Generator()
    rows = [torch.randn(shape, generator=stream.manual_seed(int(seed)), dtype=dtype) for seed in seeds]
    return layout(torch.cat(rows).float()).numpy()


def _refusal(runner: Runner) -> UsageError:
    return UsageError(
        f"model: {type(runner.pipe).__name__} draws something else than what its latents= takes",
        "a pipeline whose latents are normal noise is needed, such as Stable Diffusion's",
    )
