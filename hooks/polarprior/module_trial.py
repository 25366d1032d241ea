"""A user's module is tried once, when it is wrapped: what is wrong with it is said in terms of the module."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from polarprior.arguments import in_short
from polarprior.errors import YOURS, ModuleError, UsageError, warn
from polarprior.generator import Generator, Latents

CHANNELS = (1, 3, 4)
LARGE = 2.0
"""Images of numbers beyond that are hardly in [-1, 1]."""


def check_module(generator: Generator) -> None:
    """Try the module of a generator on two latents.

    Args:
        generator: as `polarprior.wrap` makes it.

    Raises:
        ModuleError: the prior gives no latents, the module can't take them, or gives something that is no batch of
            finite floats.
    """
    latents = _drawn(generator)
    output = _output(generator, latents)
    given = f"for z {_shape(latents.z)} it gave"
    if not isinstance(output, Tensor):
        raise ModuleError(f"module: {given} {_kind(output)}, expected a Tensor", _to_return(output))
    if not output.is_floating_point():
        raise ModuleError(
            f"module: {given} {output.dtype}, expected floats: a volume needs them before they are rounded",
            "let its forward return images in [-1, 1], before uint8",
        )
    if output.ndim < 2 or len(output) != len(latents):
        raise ModuleError(
            f"module: {given} {_shape(output)}, expected {len(latents)} rows, an output for each latent",
            "let its forward keep the batch: z [n, latent_dim] to [n, C, H, W]",
        )
    if not bool(output.isfinite().all()):
        raise ModuleError(
            f"module: {given} NaN or infinity", "see its weights, and that z is of the kind it was trained on: prior"
        )
    if output.ndim == 4 and output.shape[3] in CHANNELS and output.shape[1] not in CHANNELS:
        warn(
            f"module: {given} {_shape(output)}, channels last: pictures are taken for [n, C, H, W]; let its forward "
            "end with .permute(0, 3, 1, 2)"
        )
    elif output.ndim == 4 and output.shape[1] in CHANNELS and float(output.abs().max()) > LARGE:
        warn(f"module: {given} numbers up to {float(output.abs().max()):.3g}: pictures are taken for [-1, 1]")


def _drawn(generator: Generator) -> Latents:
    """Two latents of the prior; a function of the user's may draw them."""
    label = None if generator.num_classes is None else [0, generator.num_classes - 1]
    try:
        latents = generator.prior.draw([0, 1], label)
    except UsageError:
        raise
    except Exception as error:
        raise ModuleError(f"prior: your function failed: {_said(error)}", _PRIOR) from error
    wanted = (2, *generator.prior.shape)
    if tuple(latents.z.shape) != wanted or latents.z.dtype not in (torch.float32, torch.float64):
        got = f"{latents.z.dtype} {_shape(latents.z)}"
        raise ModuleError(f"prior: for 2 seeds it gave {got}, expected float32 {list(wanted)}", _PRIOR)
    return latents


_PRIOR = "give a function from seeds int64 [n] to latents float32 [n, latent_dim], row i from seeds[i] alone"


def _output(generator: Generator, latents: Latents) -> Any:
    moved = latents.to(generator.device, generator.dtype)
    try:
        with torch.no_grad():
            return generator.synthesize(moved.z, moved.label)
    except Exception as error:
        if moved.label is not None and _takes(generator, Latents(moved.z, torch.zeros_like(moved.label))):
            last = int(moved.label[-1])
            raise ModuleError(
                f"num_classes: got {last + 1}, and {YOURS} failed on class {last}: {_said(error)}",
                "use the number of classes that it was trained on",
            ) from error
        taken = f"z {_shape(latents.z)}" + ("" if latents.label is None else f" and label {_shape(latents.label)}")
        assert generator.network is not None
        raise ModuleError(
            f"module: {YOURS} failed on {taken}: {_said(error)}", _mend(generator, generator.network, moved, error)
        ) from error


def _takes(generator: Generator, latents: Latents) -> bool:
    """Whether the module can be given these."""
    try:
        with torch.no_grad():
            generator.synthesize(latents.z, latents.label)
    except Exception:  # a user's module can raise anything
        return False
    return True


def _mend(generator: Generator, network: nn.Module, latents: Latents, error: Exception) -> str:
    """What may be wrong with the module, or with what was said of it."""
    if isinstance(error, TypeError) and "argument" in str(error):
        if latents.label is None:
            return "where it takes a label as well, say how many classes: num_classes=10"
        return "where it takes z alone, leave num_classes out"
    if latents.z.ndim == 2 and _takes(generator, Latents(latents.z[:, :, None, None], latents.label)):
        return "it takes z [n, latent_dim, 1, 1]: let its forward begin with z = z[:, :, None, None]"
    first = next((each for each in network.modules() if isinstance(each, nn.Linear)), None)
    if first is not None and first.in_features != generator.prior.dim:
        return f"its first linear layer takes {first.in_features}: use latent_dim={first.in_features} if that is z"
    return "let its forward take z [n, latent_dim]; is latent_dim right?"


def _to_return(output: Any) -> str:
    if isinstance(output, tuple | list | dict):
        return "let its forward return the images alone"
    if type(output).__module__ == "numpy":
        return "let its forward stay in torch: numpy can't be differentiated"
    return "let its forward return a Tensor [n, C, H, W]"


def _kind(output: Any) -> str:
    if isinstance(output, tuple | list | dict):
        return f"a {type(output).__name__} of {len(output)}"
    return in_short(output)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"


def _shape(tensor: Tensor) -> str:
    return f"[{', '.join(map(str, tensor.shape))}]"
