"""What else a spectrum says of a latent: how many directions its neighbourhood has."""

from __future__ import annotations

import numpy as np

TOLERANCE = 0.1
"""Share of the largest singular value from which one counts."""


def local_rank(log_sigma: np.ndarray, tolerance: float = TOLERANCE) -> np.ndarray:
    """How many of the singular values are at least `tolerance` times the largest.

    Args:
        log_sigma: descending, [n, k], as they are stored: a rank cannot be above k.
        tolerance: a share, above 0 and at most 1.

    Returns:
        float64 [n].

    >>> local_rank(np.log([[1.0, 0.5, 0.05]]))
    array([2.])
    """
    with np.errstate(invalid="ignore"):
        counted: np.ndarray = (log_sigma - log_sigma[:, :1] >= np.log(tolerance)).sum(1).astype(np.float64)
    return counted


def effective_rank(log_sigma: np.ndarray) -> np.ndarray:
    """exp of the entropy of the singular values, divided by their sum (Roy and Vetterli 2007): the local rank of
    Humayun et al. 2024 (arXiv 2408.08307, "local rank"), here of the k largest.

    Args:
        log_sigma: [n, k].

    Returns:
        float64 [n], 1 to k.

    >>> effective_rank(np.zeros((1, 4))).round(6)
    array([4.])
    """
    sigma = np.exp(log_sigma - log_sigma.max(1, keepdims=True))
    shares = sigma / sigma.sum(1, keepdims=True)
    terms = shares * np.log(np.where(shares > 0, shares, 1.0))
    found: np.ndarray = np.exp(-terms.sum(1))
    return found
