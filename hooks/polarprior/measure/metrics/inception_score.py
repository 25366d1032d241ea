"""The Inception score: are images sure of their class, and are all classes there?"""

from __future__ import annotations

from torch import Tensor

from polarprior.errors import UsageError


def inception_score(logits: Tensor) -> float:
    """exp of the mean Kullback-Leibler divergence of p(class | image) from p(class), natural logarithms.

    Salimans et al. 2016, *Improved techniques for training GANs*, section 4, on all images at once (they average
    over ten splits).

    Args:
        logits: of a classifier, [n, classes]; Inception's for the name to be right.

    Returns:
        1 to the number of classes.

    Raises:
        UsageError: logits that aren't finite, [n, classes].
    """
    if logits.ndim != 2 or not len(logits):
        raise UsageError(f"logits: got {list(logits.shape)}, expected [n, classes]", "give a classifier's logits")
    if not bool(logits.isfinite().all()):
        raise UsageError("logits: some are NaN or infinite", "look at the images that gave them")
    log_p = logits.double().log_softmax(1)
    p = log_p.exp()
    return float((p * (log_p - p.mean(0).log())).nansum(1).mean().exp())
