"""The kernel distance of features: KID where they are Inception's."""

from __future__ import annotations

from torch import Tensor

from polarprior.metrics.features import check_features, products


def kernel_distance(real: Tensor, generated: Tensor) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x·y / D + 1)^3.

    Bińkowski et al. 2018, *Demystifying MMD GANs*, section 4, on all pairs rather than on random subsets: the
    estimate that the mean over subsets tends to, with less noise. It may be below 0.

    Args:
        real: features [n, D], n > 1.
        generated: features [m, D], m > 1.

    Raises:
        UsageError: features that aren't finite floats of one width.
    """
    check_features(real, generated)
    within = sum(_total(each, each, True) / (len(each) * (len(each) - 1)) for each in (real, generated))
    return within - 2 * _total(real, generated, False) / (len(real) * len(generated))


def _total(a: Tensor, b: Tensor, without_diagonal: bool) -> float:
    """Sum of the kernel over all pairs."""
    total = 0.0
    for rows, product in products(a, b):
        kernel = product.div_(a.shape[1]).add_(1).pow_(3)
        total += float(kernel.sum())
        if without_diagonal:
            total -= float(kernel[:, rows].diagonal().sum())
    return total
