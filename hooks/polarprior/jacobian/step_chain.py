"""The Jacobian of a deterministic sampler that goes through one network many times, such as a solver of an ODE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from polarprior.devices import has_float64
from polarprior.jacobian.linear_map import LinearMap
from polarprior.jacobian.traced import TracedJacobian
from polarprior.stages import stage


@dataclass(frozen=True)
class Evaluation:
    """One pass through the network, and what becomes of the sampler's state.

    The state is some slots of the latent's shape. A solver of first order has one, the picture so far; others keep
    the picture where a step began as well, or what the network gave before.

    Attributes:
        at: by slot, its share in what the network is shown.
        level: what the network is told besides, such as the noise level sigma.
        slots: by new slot, the shares of the old ones, and last that of what the network gives.
        told: tensors [n, ...], a row a latent, that the network is told at this pass alone.
    """

    at: tuple[float, ...]
    level: float
    slots: tuple[tuple[float, ...], ...]
    told: tuple[Tensor, ...] = ()


class StepChain:
    """A sampler as a chain of evaluations of one network: z to the first slot after the last of them.

    Tangents go along with the state. The network alone is traced, once, and its graph is used at all evaluations, so
    that memory does not grow with their number but for the states themselves, which have the size of a latent;
    cotangents come back through these, and each evaluation is computed anew.

    Args:
        network: what is shown [n, *shape] in `dtype`, level [n], what this pass is told, and context tensors [n, ...]
            to [n, *shape], deterministic, every row on its own. It is traced once for all chains that are given the
            same `TracedJacobian` of it.
        evaluations: in their order.
        first: the share of z in each slot at the start.
        dtype: of what the network is shown, and of tangents.
        state: of the slots; the stock samplers often have float64.

    >>> euler = [Evaluation((1.0,), t, ((0.5, 0.5),)) for t in (1.0, 0.5)]
    >>> chain = StepChain(lambda x, t: 3 * x, euler, first=(1.0,))
    >>> float(chain(torch.ones(1, 1)))
    4.0
    >>> chain.at(torch.ones(1, 1)).jvp(torch.ones(1, 1, 1)).item()
    4.0
    """

    def __init__(
        self,
        network: Callable[..., Tensor] | TracedJacobian,
        evaluations: Sequence[Evaluation],
        first: tuple[float, ...],
        dtype: torch.dtype = torch.float32,
        state: torch.dtype = torch.float64,
    ):
        self._traced = network if isinstance(network, TracedJacobian) else TracedJacobian(network)
        self._evaluations, self._first = list(evaluations), first
        self._dtype, self._state = dtype, state

    def __len__(self) -> int:
        return len(self._evaluations)

    def __call__(self, z: Tensor, *context: Tensor) -> Tensor:
        """The result [n, *shape] at latents z [n, *shape]; torch differentiates it with the memory of all passes."""
        return self._states(z, context)[-1][0].to(self._dtype)

    def at(self, z: Tensor, *context: Tensor) -> LinearMap:
        """The Jacobian at each row of z [n, *shape], in what z has: K = D = the numbers of a row."""
        with torch.no_grad():
            states = self._states(z, context)
        shape, width = z.shape[1:], z[0].numel()

        def network_at(index: int) -> LinearMap:
            each = self._evaluations[index]
            return self._traced.at(self._shown(states[index], each), *self._told(each, z), *context)

        def jvp(tangents: Tensor) -> Tensor:
            moved = [share * tangents.to(self._dtype) for share in self._first]
            for index, each in enumerate(self._evaluations):
                with stage(f"tangents through evaluation {index + 1} of {len(self)}"):
                    given = network_at(index).jvp(_combined(each.at, moved))
                moved = [_combined(shares, [*moved, given]) for shares in each.slots]
            return moved[0]

        def vjp(cotangents: Tensor) -> Tensor:
            pulled = [cotangents.to(self._dtype), *(torch.zeros_like(cotangents) for _ in self._first[1:])]
            for index, each in reversed(list(enumerate(self._evaluations))):
                with stage(f"cotangents through evaluation {index + 1} of {len(self)}"):
                    by_slot = list(zip(*each.slots, strict=True))
                    shown = network_at(index).vjp(_combined(by_slot[-1], pulled))
                pulled = [
                    _combined((*shares, share), [*pulled, shown])
                    for shares, share in zip(by_slot[:-1], each.at, strict=True)
                ]
            return _combined(self._first, pulled)

        return LinearMap(
            value=states[-1][0].to(self._dtype).reshape(-1, *shape),
            input_dim=width,
            jvp=jvp,
            vjp=vjp,
            kept=len(states) * len(self._first) * width * self._state.itemsize,
            evaluations=len(self),
        )

    def _states(self, z: Tensor, context: Sequence[Tensor]) -> list[list[Tensor]]:
        """The slots before each evaluation, and at the end."""
        wide = self._state if has_float64(z.device) else self._dtype
        states = [[share * z.to(wide) for share in self._first]]
        for index, each in enumerate(self._evaluations):
            with stage(f"evaluation {index + 1} of {len(self)}"):
                given = self._traced.function(self._shown(states[-1], each), *self._told(each, z), *context)
            values = [*states[-1], given.to(wide)]
            states.append([_combined(shares, values) for shares in each.slots])
        return states

    def _shown(self, slots: Sequence[Tensor], each: Evaluation) -> Tensor:
        return _combined(each.at, slots).to(self._dtype)

    def _told(self, each: Evaluation, z: Tensor) -> tuple[Tensor, ...]:
        return torch.full((len(z),), each.level, dtype=self._dtype, device=z.device), *each.told


def heun(levels: Sequence[float]) -> list[Evaluation]:
    """Heun's method on the ODE of Karras et al. (Elucidating the Design Space of Diffusion-Based Generative Models,
    2022, algorithm 1), dx/dt = (x - D(x; t)) / t: two evaluations a step, one in the last, which ends at 0.

    Args:
        levels: t from the highest to the lowest, without the 0; the latent is scaled by the first.
    """
    # The slots: where the step began, and where its first half has come to.
    begin, done = (1.0, 0.0), (0.0, 0.0, 0.0)
    found = []
    for now, then in pairwise(levels):
        step, back = (then - now) / now, (then - now) / then
        found.append(Evaluation(begin, now, ((1.0, 0.0, 0.0), (1 + step, 0.0, -step))))
        found.append(Evaluation((0.0, 1.0), then, ((0.5, 0.5 + 0.5 * back, -0.5 * back), done)))
    return [*found, Evaluation(begin, levels[-1], ((0.0, 0.0, 1.0), done))]  # to 0: what the network gives


def euler(levels: Sequence[float]) -> list[Evaluation]:
    """Euler's method on the same ODE, an evaluation a step."""
    steps = [(now, (then - now) / now) for now, then in zip(levels, [*levels[1:], 0.0], strict=True)]
    return [Evaluation((1.0,), now, ((1 + step, -step),)) for now, step in steps]


def _combined(shares: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    """The sum of tensors by their shares; those of a share of 0 are left out."""
    parts = [each if share == 1 else share * each for share, each in zip(shares, tensors, strict=True) if share]
    total = parts[0] if parts else torch.zeros_like(tensors[0])
    for each in parts[1:]:
        total = total + each
    return total
