"""Torch devices by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.errors import UsageError

if TYPE_CHECKING:
    import torch


def has_float64(device: torch.device) -> bool:
    """Whether a device has float64; Apple's MPS has none (nothing here was ever run on one)."""
    return device.type != "mps"


def in_float64(x: torch.Tensor) -> torch.Tensor:
    """A tensor in float64, on its own device, or on the CPU where that has none."""
    return x.double() if has_float64(x.device) else x.cpu().double()


def torch_device(device: str | torch.device | None) -> torch.device:
    """A torch device by name, the best there is where None; UsageError where it can't be used."""
    import torch

    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except Exception as error:  # each backend has its own
        reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
        raise UsageError(f"device: got {str(device)!r}: {reason}", "use device=cpu") from error
    return chosen
