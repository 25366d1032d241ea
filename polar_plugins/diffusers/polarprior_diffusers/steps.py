"""A pipeline's loop as a chain of passes through its network, found by watching it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from polarprior.plugin import Evaluation
from torch import Tensor
from torch.utils._pytree import tree_unflatten

from polarprior_diffusers.layout import Layout, affine, places_of
from polarprior_diffusers.recording import Call, Recording, record_noise
from polarprior_diffusers.running import Runner

CLOSE = 1e-4
"""How near the numbers of a loop must be to a weighted sum of what the network gave; rounding makes 1e-6."""


class Told(NamedTuple):
    """How the network is told what is not differentiated.

    Attributes:
        leaves: its arguments; tensors are put in their place.
        by_row: by leaf that is a tensor, whether it has an axis of rows.
        nesting: of the leaves in its arguments.
    """

    leaves: list[Any]
    by_row: dict[int, bool]
    nesting: Any


class Steps:
    """The loop of a pipeline: passes of its network, and between them weighted sums, by whatever scheduler.

    The shares of the sums are found by letting the network give random numbers and solving for what it is shown next.
    A pass of several rows a latent, as guidance makes them, counts as so many.

    Args:
        runner: of the pipeline.
        shape: of the latents that it takes.

    Raises:
        ValueError: what the network is shown is no weighted sum of what it gave before, or it is told something that
            can't be followed.

    Attributes:
        decoding: what becomes of the last latents before they are decoded; None where they are the pictures.
    """

    def __init__(self, runner: Runner, shape: tuple[int, ...]):
        self._runner, self._shape = runner, shape
        latents, one = self._recorded(1)
        self._parts = [len(call.shown) for call in one.calls]
        self._told = _told(one.calls, self._recorded(2)[1].calls)
        last = one.result if runner.vae is None else self._recorded(1, output_type="latent")[1].result
        self._shares = _solved(latents, one.calls, last)
        self._one = one
        self.decoding = None if runner.vae is None else self._decoding()

    def __len__(self) -> int:
        return sum(self._parts)

    def network(self, x: Tensor, _: Tensor, *told: Tensor) -> Tensor:
        """What the network makes of rows [n, *shape], told what a pass was told."""
        values, leaves = iter(told), list(self._told.leaves)
        for place, by_row in self._told.by_row.items():
            value = next(values)
            leaves[place] = value if by_row else value[0]
        args, kwargs = tree_unflatten(leaves, self._told.nesting)
        found: Tensor = self._runner.network(x.to(self._runner.like), *args, **kwargs, return_dict=False)[0]
        return found.to(x)

    def evaluations(self, n: int, label: Tensor | None) -> list[Evaluation]:
        """The passes for n latents, of classes int64 [n] where there are some."""
        calls = self._one.calls if label is None else self._recorded(n, label)[1].calls
        found: list[Evaluation] = []
        for call, parts in zip(calls, self._parts, strict=True):
            for part in range(parts):
                slots, shares = len(found) + 1, self._shares[len(found)]
                at = (*shares, *[0.0] * (slots - len(shares)))
                kept = tuple(tuple(float(i == j) for j in range(slots + 1)) for i in range(slots + 1))
                last = slots == len(self)
                told = tuple(self._tensors(call, parts, part, n))
                found.append(Evaluation(at, 0.0, (self._shares[-1],) if last else kept, told))
        return found

    def _tensors(self, call: Call, parts: int, part: int, n: int) -> list[Tensor]:
        """What a part of a pass is told, a row a latent."""
        found = []
        for place, by_row in self._told.by_row.items():
            leaf = call.others[place]
            if by_row:
                leaf = leaf.reshape(parts, -1, *leaf.shape[1:])[part]
                found.append(leaf.expand(n, *leaf.shape[1:]))
            else:
                found.append(leaf.expand(n, *leaf.shape))
        return found

    def _recorded(self, n: int, label: Tensor | None = None, seed: int = 0, **call: Any) -> tuple[Tensor, Recording]:
        """See `record_noise`."""
        return record_noise(self._runner, self._shape, n, label, seed, **call)

    def _decoding(self) -> Layout:
        pairs = []
        for seed in range(3):
            before = self._recorded(1, seed=seed, output_type="latent")[1].result
            pairs.append((before, self._recorded(1, seed=seed)[1].result))
        before, after = pairs[0]
        places = None if before.shape == after.shape else places_of(self._given_to_decoder, before.shape[1:])
        return affine(pairs, places)

    def _given_to_decoder(self, last: Tensor) -> Tensor:
        """What the decoder is given where these are the last latents."""

        def end(*_: Any) -> dict[str, Tensor]:
            return {"latents": last.to(self._runner.like)}

        return self._recorded(1, callback_on_step_end=end)[1].result


def _told(one: list[Call], two: list[Call]) -> Told:
    """How the network is told, from the calls for one latent and for two."""
    first = one[0]
    by_row: dict[int, bool] = {}
    for place, leaf in enumerate(first.others):
        if isinstance(leaf, Tensor):
            shape, other = leaf.shape, two[0].others[place].shape
            by_row[place] = shape != other
            if by_row[place] and (shape[0] != len(first.shown) or other != (2 * shape[0], *shape[1:])):
                raise ValueError("it is told something of another shape for more latents")
    for call in one:
        if call.nesting != first.nesting:
            raise ValueError("it is called in several ways")
        for place, leaf in enumerate(call.others):
            if isinstance(leaf, Tensor) != (place in by_row) or (place not in by_row and leaf != first.others[place]):
                raise ValueError("it is told something else at each step that is no tensor")
    return Told(first.others, by_row, first.nesting)


def _solved(latents: Tensor, calls: list[Call], last: Tensor) -> list[tuple[float, ...]]:
    """The shares of the latents, and of what the network gave so far, in what each part of a call is shown, and at
    the end in the last latents."""
    slots, shares = [latents], []
    for call in calls:
        shares += [_shares(slots, part) for part in call.shown.split(1)]
        slots += call.gave.split(1)
    return [*shares, _shares(slots, last)]


def _shares(slots: list[Tensor], found: Tensor) -> tuple[float, ...]:
    columns = torch.stack([each.flatten().double().cpu() for each in slots], 1)
    wanted = found.flatten().double().cpu()
    if len(wanted) != len(columns):
        raise ValueError("it is shown something of another shape than the latents")
    solved = torch.linalg.lstsq(columns, wanted[:, None]).solution[:, 0]
    if not (columns @ solved - wanted).norm() <= CLOSE * wanted.norm():
        raise ValueError("what it is shown is no weighted sum of what it gave before")
    seen = solved.abs() * columns.norm(dim=0) > CLOSE**2 * wanted.norm()
    shares: list[float] = (solved * seen).tolist()
    return tuple(shares)
