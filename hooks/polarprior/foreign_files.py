"""Reads checkpoints that are not trusted, for model plugins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from polarprior.errors import PolarPriorError, RunsCodeWarning, UsageError, code_is_allowed, warn
from polarprior.files import sha256_of


def checkpoint_file(plugin: str, source: str | None, hint: str) -> Path:
    """The file that ``PLUGIN:SOURCE`` names.

    Raises:
        UsageError: no source.
        PolarPriorError: no such file.
    """
    if source is None:
        raise UsageError(f"model: got {plugin}, expected {plugin}:FILE", hint)
    path = Path(source)
    if not path.is_file():
        raise PolarPriorError(f"model: no file {path}", hint)
    return path


def read_checkpoint(path: Path, safe: Sequence[Any] = ()) -> Any:
    """What torch.save wrote: tensors, numbers, text and their containers, on the CPU.

    Args:
        path: the file.
        safe: classes and functions that it may hold besides, or pairs of one and the name that stands for it.

    Raises:
        pickle.UnpicklingError: it holds others; and whatever else a foreign file leads to, see `refusing`.
    """
    with torch.serialization.safe_globals(list(safe)):
        return torch.load(path, map_location="cpu", weights_only=True)


def warn_of_pickle(source: str, can_be_pinned: bool = True) -> None:
    """Warn that opening a pickle runs the code that it holds, and name its digest; before it is opened.

    Args:
        source: a file, or a URL.
        can_be_pinned: ``sha256=`` works for this model.

    Raises:
        CodeRefused: such files are refused here, see `polarprior.errors.running_code`.
    """
    if code_is_allowed():
        return
    remote = re.match(r"[a-z]+://", source) is not None
    digest = "" if remote else f" (this one's sha256 is {sha256_of(Path(source))})"
    pin = "; sha256=HEX pins one that you trust" if can_be_pinned and not remote else ""
    warn(f"{source} is a pickle, and opening it runs the code it holds{digest}{pin}", RunsCodeWarning)


def filled_network(make: Callable[[], nn.Module], state: Mapping[str, Tensor]) -> nn.Module:
    """The model that `make` gives, in eval mode, with the tensors of a state dict.

    It is made without memory for its weights, so that sizes which the file only claims take none. Halves and doubles
    become float32, as torch's own loading makes them.

    Raises:
        ValueError: a tensor that the model needs is missing, or holds no floats where it needs them.
        RuntimeError: a tensor has another shape.
    """
    with torch.device("meta"):
        model = make()
    own = {name: each.is_floating_point() for name, each in model.state_dict().items()}
    wide = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    missing = model.load_state_dict(wide, strict=False, assign=True).missing_keys
    if missing:
        raise ValueError(f"it lacks {len(missing)} of the model's tensors, such as {missing[0]}")
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() != own[name]:
            raise ValueError(f"{name} holds {tensor.dtype}")
    return model.eval().requires_grad_(False)


@contextmanager
def refusing(complaint: str, hint: str) -> Iterator[None]:
    """Turn whatever a foreign file leads to into an error; a PolarPriorError goes through.

    Args:
        complaint: what the error says before the reason, such as "model: FILE holds no generator".
        hint: what to type.
    """
    try:
        yield
    except PolarPriorError:
        raise
    except Exception as error:
        plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # torch writes some of it in bold
        reason = f"{type(error).__name__}: {' '.join(plain.split())[:120]}"
        raise PolarPriorError(f"{complaint}: {reason}", hint) from error
