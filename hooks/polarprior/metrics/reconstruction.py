"""What a reconstruction keeps of an image's content, by a classifier."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from polarprior.errors import UsageError
from polarprior.metrics.probabilities import log_probabilities

PARTS = 10


class Reconstruction(NamedTuple):
    """How reconstructions differ from their images.

    Attributes:
        dissimilarity: RID, 1 or more: the mean over `PARTS` parts of the images, in their order.
        deviation: its standard deviation over the parts.
        agreement: share of images whose most likely class stays; RID says nothing where this is at chance.
    """

    dissimilarity: float
    deviation: float
    agreement: float


def reconstruction_dissimilarity(logits: Tensor, again: Tensor) -> Reconstruction:
    """RID, the exp of the mean Kullback-Leibler divergence of p(class | image) from p(class | reconstruction).

    Alanov et al. 2018, *Pairwise Augmented GANs with Adversarial Reconstruction Loss*, eq. 18, over ten parts of the
    images one after the other, as they take it (their Table 4 calls it RIS). A classifier that is too sure of itself
    makes it explode: it should be calibrated, by label smoothing for one.

    Args:
        logits: of a classifier for the images, [n, classes], n at least `PARTS`.
        again: for their reconstructions.

    Raises:
        UsageError: logits that aren't finite, or of different shapes.
    """
    if logits.shape != again.shape or len(logits) < PARTS:
        raise UsageError(
            f"logits: got {list(logits.shape)} and {list(again.shape)}, expected twice [{PARTS} or more, classes]",
            "give those of each image and of its reconstruction",
        )
    log_p, log_q = log_probabilities(logits), log_probabilities(again)
    divergence = (log_p.exp() * (log_p - log_q)).sum(1)
    of_parts = [float(part.mean().exp()) for part in divergence.tensor_split(PARTS)]
    agreement = float((logits.argmax(1) == again.argmax(1)).double().mean())
    return Reconstruction(float(np.mean(of_parts)), float(np.std(of_parts)), agreement)
