"""Torch devices by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polarprior.errors import UsageError

if TYPE_CHECKING:
    import torch


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
