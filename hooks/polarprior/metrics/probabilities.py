"""What a classifier says, as logarithms of probabilities."""

from __future__ import annotations

from torch import Tensor

from polarprior.errors import UsageError


def log_probabilities(logits: Tensor) -> Tensor:
    """log p(class | image), float64 [n, classes], of a classifier's logits.

    Raises:
        UsageError: logits that aren't finite, [n, classes].
    """
    if logits.ndim != 2 or not len(logits):
        raise UsageError(f"logits: got {list(logits.shape)}, expected [n, classes]", "give a classifier's logits")
    if not bool(logits.isfinite().all()):
        raise UsageError("logits: some are NaN or infinite", "look at the images that gave them")
    return logits.double().log_softmax(1)
