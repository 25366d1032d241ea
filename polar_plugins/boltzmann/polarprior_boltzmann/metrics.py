"""How well a flow q fits a target p ∝ exp(-f): the five metrics of the paper's section 4, and shares of modes."""

from __future__ import annotations

import torch
from torch import Tensor


def hausdorff(modes: Tensor, samples: Tensor) -> float:
    """The largest distance from a mode, [m, K], to its nearest sample, [n, K]: eq. 23."""
    return float(torch.cdist(modes.to(samples), samples).min(1).values.max())


def reverse_kl(log_q: Tensor, energy: Tensor) -> float:
    """E over q of log q + f, at draws of q, [n] each: eq. 21, the divergence less log Z."""
    return float((log_q + energy).mean())


def reverse_ess(log_q: Tensor, energy: Tensor) -> float:
    """Effective sample size, a share of n, of the weights p / q at draws of q: eq. 22.

    It can't see a mode that q never visits.
    """
    return _ess(-energy - log_q)


def forward_kl(log_q: Tensor, energy: Tensor) -> float:
    """E over p of -f - log q, at draws of p, [n] each: eq. 24, the divergence plus log Z."""
    return float((-energy - log_q).mean())


def forward_ess(log_q: Tensor, energy: Tensor) -> float:
    """Effective sample size, a share of n, of the weights q / p at draws of p: eq. 25."""
    return _ess(log_q + energy)


def mode_shares(modes: Tensor, samples: Tensor) -> list[float]:
    """The share of samples, [n, K], nearest to each mode, [m, K]."""
    nearest = torch.cdist(samples, modes.to(samples)).argmin(1)
    return [float(share) for share in torch.bincount(nearest, minlength=len(modes)).double() / len(samples)]


def _ess(log_w: Tensor) -> float:
    w = (log_w - log_w.max()).double().exp()
    return float(w.sum().square() / (w.square().sum() * len(w)))
