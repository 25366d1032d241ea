"""The Inception score: are images sure of their class, and are all classes there?"""

from __future__ import annotations

from torch import Tensor

from polarprior.metrics.probabilities import log_probabilities


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
    log_p = log_probabilities(logits)
    p = log_p.exp()
    return float((p * (log_p - p.mean(0).log())).nansum(1).mean().exp())
