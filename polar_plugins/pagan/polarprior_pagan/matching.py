"""How two laws are matched by a discriminator: the seed's games, the f-divergences of its B.1, and Wasserstein's
distance of its B.2. All take logits, the discriminator's numbers before any output function."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Matching(NamedTuple):
    """A game.

    Attributes:
        judge: (logits of real ones [n], of made ones [m]) to the discriminator's loss.
        maker: logits of made ones to the loss of whoever makes them.
    """

    judge: Callable[[Tensor, Tensor], Tensor]
    maker: Callable[[Tensor], Tensor]


class Divergence(NamedTuple):
    """D_f(p | q) = E over q of f(p / q), eq. 27, with what its bound eq. 28 needs (Nowozin et al. 2016, table 2).

    Attributes:
        f: convex, f(1) = 0.
        output: logits to the T of eq. 28, within the conjugate's domain.
        conjugate: f*(t) = sup over u of u t - f(u).
    """

    f: Callable[[Tensor], Tensor]
    output: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]


DIVERGENCES = {
    "kl": Divergence(
        lambda u: u * u.log(),
        lambda v: v,
        lambda t: (t - 1).exp(),
    ),
    "reverse-kl": Divergence(
        lambda u: -u.log(),
        lambda v: -(-v).exp(),
        lambda t: -1 - (-t).log(),
    ),
    "pearson": Divergence(
        lambda u: (u - 1).square(),
        lambda v: v,
        lambda t: t.square() / 4 + t,
    ),
    "hellinger": Divergence(
        lambda u: (u.sqrt() - 1).square(),
        lambda v: 1 - (-v).exp(),
        lambda t: t / (1 - t),
    ),
    "jensen-shannon": Divergence(
        lambda u: u * u.log() - (u + 1) * ((u + 1) / 2).log(),
        lambda v: log(2) - softplus(-v),
        lambda t: -(2 - t.exp()).log(),
    ),
    "gan-divergence": Divergence(
        lambda u: u * u.log() - (u + 1) * (u + 1).log() + 2 * log(2),
        lambda v: -softplus(-v),
        lambda t: -(-torch.expm1(t)).log() - 2 * log(2),
    ),
}
"""The table. The last one's f is shifted so that f(1) = 0: 2 JS, as eq. 1 has it without its constant."""


def _of(divergence: Divergence) -> Matching:
    def bound(made: Tensor) -> Tensor:
        return divergence.conjugate(divergence.output(made)).mean()

    return Matching(
        lambda real, made: bound(made) - divergence.output(real).mean(),
        lambda made: -bound(made),
    )


def _judge(real: Tensor, made: Tensor) -> Tensor:
    """-E log D(real) - E log(1 - D(made)), D the logistic function of a logit."""
    return softplus(-real).mean() + softplus(made).mean()


MATCHINGS = {
    "gan": Matching(_judge, lambda made: softplus(-made).mean()),
    "saturating": Matching(_judge, lambda made: -softplus(made).mean()),
    "wasserstein": Matching(lambda real, made: made.mean() - real.mean(), lambda made: -made.mean()),
    **{name: _of(divergence) for name, divergence in DIVERGENCES.items()},
}
"""By name: Algorithm 1's -log D; eq. 14 to 17 as printed, log(1 - D); eq. 37; eq. 30 to 35."""
