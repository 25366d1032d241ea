"""How two laws are matched by a discriminator: the paper's games, the f-divergences of its B.1, and Wasserstein's
distance of its B.2. All take logits, the discriminator's numbers before any output function."""

from __future__ import annotations

from collections.abc import Callable
from math import log
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

NON_SATURATING, MINIMAX = MAKERS = "non-saturating", "minimax"


class Matching(NamedTuple):
    """A game.

    Attributes:
        judge: (logits of real ones [n], of made ones [m]) to the discriminator's loss.
        makers: by name, logits of made ones to the loss of whoever makes them: ``minimax`` is the discriminator's
            loss with its sign turned, ``non-saturating`` raises the discriminator's output instead, whose slope does
            not vanish where the discriminator is sure (Nowozin et al. 2016, section 3.2).
    """

    judge: Callable[[Tensor, Tensor], Tensor]
    makers: dict[str, Callable[[Tensor], Tensor]]


class Divergence(NamedTuple):
    """D_f(p | q) = E over q of f(p / q), eq. 27, with what its bound eq. 28 needs (Nowozin et al. 2016, table 2).

    Attributes:
        f: convex, f(1) = 0.
        output: logits to the T of eq. 28, within the domain of the conjugate f*(t) = sup over u >= 0 of u t - f(u).
        conjugate: logits to f*(T), in closed form: one after the other would overflow.
    """

    f: Callable[[Tensor], Tensor]
    output: Callable[[Tensor], Tensor]
    conjugate: Callable[[Tensor], Tensor]


DIVERGENCES = {
    "kl": Divergence(
        lambda u: u * u.log(),
        lambda v: v,
        lambda v: (v - 1).exp(),
    ),
    "reverse-kl": Divergence(
        lambda u: -u.log(),
        lambda v: -(-v).exp(),
        lambda v: v - 1,
    ),
    "pearson": Divergence(
        lambda u: (u - 1).square(),
        lambda v: v,
        lambda v: (v.clamp(min=-2) / 2 + 1).square() - 1,
    ),
    "hellinger": Divergence(
        lambda u: (u.sqrt() - 1).square(),
        lambda v: 1 - (-v).exp(),
        torch.expm1,
    ),
    "jensen-shannon": Divergence(
        lambda u: u * u.log() - (u + 1) * ((u + 1) / 2).log(),
        lambda v: log(2) - softplus(-v),
        lambda v: softplus(v) - log(2),
    ),
    "gan-divergence": Divergence(
        lambda u: u * u.log() - (u + 1) * (u + 1).log() + 2 * log(2),
        lambda v: -softplus(-v),
        lambda v: softplus(v) - 2 * log(2),
    ),
}
"""The table. Pearson's conjugate is -1 below t = -2, where the best u is 0. The last one's f is shifted so that
f(1) = 0: 2 JS, as eq. 1 has it without its constant."""


def _of(divergence: Divergence) -> Matching:
    return Matching(
        lambda real, made: divergence.conjugate(made).mean() - divergence.output(real).mean(),
        {
            NON_SATURATING: lambda made: -divergence.output(made).mean(),
            MINIMAX: lambda made: -divergence.conjugate(made).mean(),
        },
    )


def _judge(real: Tensor, made: Tensor) -> Tensor:
    """-E log D(real) - E log(1 - D(made)), D the logistic function of a logit."""
    return softplus(-real).mean() + softplus(made).mean()


MATCHINGS = {
    "gan": Matching(
        _judge,
        {NON_SATURATING: lambda made: softplus(-made).mean(), MINIMAX: lambda made: -softplus(made).mean()},
    ),
    "wasserstein": Matching(
        lambda real, made: made.mean() - real.mean(),
        dict.fromkeys((NON_SATURATING, MINIMAX), lambda made: -made.mean()),
    ),
    **{name: _of(divergence) for name, divergence in DIVERGENCES.items()},
}
"""By name. With ``gan`` the non-saturating maker is Algorithm 1's -log D, and minimax that of eq. 14 to 17 as
printed, log(1 - D); eq. 37; eq. 30 to 35."""
