"""The Inception score: are images sure of their class, and are all classes there?"""

from __future__ import annotations

from torch import Tensor

from polarprior.metrics.probabilities import log_probabilities

SPLITS = 10
"""Those that are usual; scores of fewer images a split are lower."""


def inception_score(logits: Tensor) -> float:
    """exp of the mean Kullback-Leibler divergence of p(class | image) from p(class), natural logarithms.

    Salimans et al. 2016, *Improved techniques for training GANs*, section 4, on all images at once; see
    `inception_scores` for the average over ten splits that is usual.

    Args:
        logits: of a classifier, [n, classes]; Inception's for the name to be right.

    Returns:
        1 to the number of classes.

    Raises:
        UsageError: logits that aren't finite, [n, classes].
    """
    return inception_scores(logits, 1)[0]


def inception_scores(logits: Tensor, splits: int = SPLITS) -> list[float]:
    """Split the images, one part after the other: the `inception_score` of each part."""
    found = []
    for log_p in log_probabilities(logits).tensor_split(splits):
        p = log_p.exp()
        found.append(float((p * (log_p - p.mean(0).log())).nansum(1).mean().exp()))
    return found
