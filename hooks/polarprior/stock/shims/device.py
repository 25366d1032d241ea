"""Scripts that say cuda run on another device: on the CPU where there is no GPU."""

from __future__ import annotations

import atexit
from functools import wraps
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


def move_cuda_to(device: torch.device) -> None:
    """From now on, what this thread asks torch functions and tensors to put on cuda is put on `device`."""
    elsewhere = _Elsewhere(device)
    elsewhere.__enter__()
    _load_to(device)
    torch.Generator = _generators(elsewhere)  # type: ignore[misc]
    if device.type == "cpu":
        _speak_gloo()
        # No GPU to choose or to wait for. Two functions: torch.compile keeps a list, and none may be on it twice.
        torch.cuda.set_device = lambda device: None
        torch.cuda.synchronize = lambda device=None: None


class _Elsewhere(TorchFunctionMode):
    """Changes the device that torch functions are asked for."""

    def __init__(self, device: torch.device):
        super().__init__()
        self._device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.cuda:
            return args[0].to(self._device)
        if self._device.type == "cpu":
            if func is torch.Tensor.pin_memory:
                return args[0]
            if func is torch.Tensor.cpu:  # from a GPU it is a copy, and scripts count on that
                return args[0].clone()
        return func(*map(self._mine, args), **{name: self._mine(value) for name, value in (kwargs or {}).items()})

    def _mine(self, value: Any) -> Any:
        """A value that an argument has, but that devices are ours."""
        if isinstance(value, torch.device):
            return self._device if value.type == "cuda" else value
        if isinstance(value, str):
            return str(self._device) if value == "cuda" or value.startswith("cuda:") else value
        return value


def _generators(elsewhere: _Elsewhere) -> type[torch.Generator]:
    """What stands for ``torch.Generator``, which no mode sees: it makes them where `elsewhere` would, and all of them
    are instances of it."""
    original = torch.Generator

    class Making(type(original)):  # type: ignore[misc]
        def __call__(cls, device: Any = "cpu") -> torch.Generator:
            return original(elsewhere._mine(device))

        def __instancecheck__(cls, instance: Any) -> bool:
            return isinstance(instance, original)

    return Making("Generator", (original,), {})


def _load_to(device: torch.device) -> None:
    """Checkpoints that were saved on a GPU are loaded to `device` where the script doesn't say."""
    original = torch.load

    @wraps(original)
    def load(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        return original(f, device if map_location is None else map_location, *args, **kwargs)

    torch.load = load


def _speak_gloo() -> None:
    """Processes that would talk by nccl, which needs GPUs, talk by gloo, and stop talking before they end: some
    scripts don't, and now and then gloo's threads then abort a process whose work is done."""
    original = torch.distributed.init_process_group

    @wraps(original)
    def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
        atexit.register(_stop_talking)
        return original("gloo" if backend == "nccl" else backend, *args, **kwargs)

    torch.distributed.init_process_group = init_process_group


def _stop_talking() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
