"""Fresh latents from a polarity prior: each stock latent's stream of proposals, until one is accepted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from polarprior.bank.bank import Bank
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash
from polarprior.law.diagnostics import Diagnostics, Spending
from polarprior.law.geometry import Geometry
from polarprior.law.law import Law
from polarprior.law.rows import BATCH, Source, check_asked_for
from polarprior.samplers.contract import Redrawing
from polarprior.samplers.streams import Numbers, stream_numbers
from polarprior.samplers.true_volumes import NO_SEED, LogVolumes

if TYPE_CHECKING:
    from tqdm import tqdm

AT_ONCE = 256
"""Streams that are followed at once; more would hold more proposals in memory."""
WINDOW = 64
"""Proposals of a stream that are looked at before the next true log-volume is taken, at most."""


class Screened(NamedTuple):
    """What a first look tells of n proposals.

    Attributes:
        log_pass: log of the probability to go on, [n].
        log_guess: log of the law's weight as far as it can be told, up to a constant, [n].
        statistics: those held, [n, m]; m is 0 where none are.
    """

    log_pass: np.ndarray
    log_guess: np.ndarray
    statistics: np.ndarray

    def row(self, i: int) -> Screened:
        """The same of proposal i alone, n = 1."""
        return Screened(*(each[[i]] for each in self))


class Acceptance(Protocol):
    """Accepts proposals of one class in two stages; a proposal becomes a draw if it passes both."""

    @property
    def law(self) -> Law:
        """The target; proposals outside its support are passed over unseen."""
        ...

    @property
    def expected_pass(self) -> float:
        """Mean probability to pass the first stage."""
        ...

    @property
    def length(self) -> int:
        """Proposals in a stream."""
        ...

    def screen(self, latents: Latents) -> Screened:
        """The first stage, which costs a forward pass or nothing."""
        ...

    def log_correction(self, log_volume: np.ndarray, screened: Screened) -> np.ndarray:
        """log of the probability to be accepted, above 0 beyond the bound: [n]."""
        ...


def _joined(parts: Sequence[Screened]) -> Screened:
    return Screened(*map(np.concatenate, zip(*parts, strict=True)))


class _Proposal(NamedTuple):
    """A proposal that has passed the first stage; `u` decides the second."""

    z: Tensor
    label: int | None
    seed: int
    step: int
    screened: Screened
    u: float


@dataclass(eq=False)
class _Stream:
    """A stock latent on its way."""

    row: int
    z: Tensor
    label: int | None
    key: int
    position: int = 0
    waiting: list[_Proposal] = field(default_factory=list)
    seen: list[tuple[Tensor, int | None, float]] = field(default_factory=list)
    guessed: tuple[float, Tensor, int | None] | None = None


class _Draws:
    """What stock latents become, row by row: z [n, *shape], and classes int64 [n] or None."""

    def __init__(self, z: Tensor, label: Tensor | None):
        self.z, self.label = z, label

    def put(self, row: int, z: Tensor, label: int | None) -> None:
        """A stock latent's draw."""
        self.z[row] = z
        if self.label is not None and label is not None:
            self.label[row] = label


class FreshSampler(Redrawing):
    """Latents of the polarity prior that are no rows of a bank.

    Each stock latent owns a stream of proposals from the prior, the first of them itself, and becomes the first that
    is accepted: so a draw depends on the stock latent and its class alone. Proposals have the stock latent's class;
    those of a joint law have any.

    A stream that ends without a draw gives one of those whose true log-volume it has seen, by their weights, or where
    it has seen none one of all its proposals, by their guessed weights. Such a draw is not exact, and counted.

    Args:
        generator: the model.
        bank: of its latents.
        log_volumes: true log-volumes of its latents.
        acceptances: for each class, None standing for no classes, and for all of them in a joint law.
        diagnostics: of the law on the bank.
        geometry: of the generator's prior; what it says of itself where None.
        classes: those that a joint law draws from, int64 [C]; None where each latent keeps its class.
    """

    def __init__(
        self,
        generator: Generator,
        bank: Bank,
        log_volumes: LogVolumes,
        acceptances: Mapping[int | None, Acceptance],
        diagnostics: Diagnostics,
        geometry: Geometry | None = None,
        classes: np.ndarray | None = None,
    ):
        self._generator = generator
        self._bank = bank
        self._log_volumes = log_volumes
        self._acceptances = acceptances
        self._diagnostics = diagnostics
        self._source = Source(generator, geometry)
        self._joint_classes = classes
        self._spent = Spending()
        self._sums = np.zeros(3)

    @property
    def diagnostics(self) -> Diagnostics:
        """How far the draws can be trusted, and what they have cost so far."""
        return replace(self._diagnostics, spending=self._spent)

    def redraw(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """See `Redrawing`."""
        from tqdm import tqdm

        self._generator.check(Latents(z, label))
        stock = z.detach().cpu()
        hashes = latent_hash(stock)
        owned = [None] * len(z) if label is None else label.tolist()
        drawn = _Draws(stock.clone(), None if label is None else label.cpu().clone())
        with (
            self._log_volumes.keeping(),
            tqdm(total=len(z), unit="latent", desc="draw", delay=2, leave=False) as bar,
        ):
            for acceptance, rows in self._groups(owned):
                for start in range(0, len(rows), AT_ONCE):
                    here = rows[start : start + AT_ONCE]
                    streams = [_Stream(row, stock[row], owned[row], int(hashes[row])) for row in here]
                    self._follow(streams, acceptance, drawn, bar)
        found = drawn.z.to(device=z.device, dtype=z.dtype)
        return Latents(found, None if label is None or drawn.label is None else drawn.label.to(label.device))

    def _groups(self, labels: list[int | None]) -> Iterator[tuple[Acceptance, list[int]]]:
        """What is accepted, and the rows whose streams it decides; UsageError for a class that was not asked for."""
        joint = self._joint_classes
        for label in dict.fromkeys(sorted(labels, key=lambda each: -1 if each is None else each)):
            check_asked_for(self._bank, label, self._acceptances if joint is None else joint.tolist())
            if joint is None:
                yield self._acceptances[label], [row for row, own in enumerate(labels) if own == label]
        if joint is not None:
            yield self._acceptances[None], list(range(len(labels)))

    def seeds_of(self, latents: Latents) -> list[int | None]:
        """The seeds that give these draws; None for a stock latent that stayed itself."""
        return self._log_volumes.seeds_of(latents)

    def _follow(self, streams: list[_Stream], acceptance: Acceptance, drawn: _Draws, bar: tqdm[Any]) -> None:
        """Run streams to their ends, and put what they become into `drawn`."""
        window = int(np.clip(np.ceil(1 / max(acceptance.expected_pass, 1e-9)), 1, WINDOW))
        while streams:
            dry = streams
            while dry := [each for each in dry if not each.waiting and each.position < acceptance.length]:
                self._look_ahead(dry, window, acceptance)
            ready = [(stream, stream.waiting.pop(0)) for stream in streams if stream.waiting]
            ended = [stream for stream in streams if not stream.waiting and stream.position >= acceptance.length]
            taken = self._decide(ready, acceptance, drawn)
            for stream in ended:
                if stream not in taken:
                    drawn.put(stream.row, *_last_resort(stream, acceptance.length))
                    self._count(drawn=1, exhausted=1, proposals=acceptance.length)
                    taken.append(stream)
            streams = [stream for stream in streams if stream not in taken]
            bar.update(len(taken))

    def _look_ahead(self, streams: Sequence[_Stream], window: int, acceptance: Acceptance) -> None:
        """The first stage for the next proposals of streams."""
        owners: list[_Stream] = []
        parts: list[Numbers] = []
        own: list[int] = []
        steps: list[int] = []
        for stream in streams:
            count = min(window, acceptance.length - stream.position)
            steps += range(stream.position, stream.position + count)
            parts.append(stream_numbers(stream.key, stream.position, count))
            own += [len(owners)] if stream.position == 0 else []
            owners += [stream] * count
            stream.position += count
        seeds, u, short = (np.concatenate(each) for each in zip(*parts, strict=True))
        proposals = self._generator.prior.draw(seeds).z.to(streams[0].z.dtype)
        labels = self._classes_of(owners, short)
        if own:
            proposals[own] = torch.stack([owners[row].z for row in own])
            seeds[own] = NO_SEED
            for row in own:
                labels[row] = owners[row].label
        inside = np.arange(len(owners))
        if acceptance.law.support.name == "shell" and acceptance.law.support.bounded:
            inside = inside[acceptance.law.support.contains(self._source.lengths_of(Latents(proposals)))]
        self._count(screened=len(inside))
        for start in range(0, len(inside), BATCH):
            batch = inside[start : start + BATCH]
            latents = self._latents(proposals[torch.from_numpy(batch)], [labels[row] for row in batch])
            screened = acceptance.screen(latents)
            # The largest of log w + Gumbel noise is a draw by the weights w, however many come.
            gumbel = screened.log_guess - np.log(-np.log(u[batch, 2].clip(min=1e-300)))
            for row, score in zip(batch.tolist(), gumbel.tolist(), strict=True):
                best = owners[row].guessed
                if best is None or score > best[0]:
                    owners[row].guessed = score, proposals[row].clone(), labels[row]
            passed = np.flatnonzero(u[batch, 0] < np.exp(screened.log_pass))
            for i in passed.tolist():
                row = int(batch[i])
                z, seed = proposals[row].clone(), int(seeds[row])
                proposal = _Proposal(z, labels[row], seed, steps[row], screened.row(i), float(u[row, 1]))
                owners[row].waiting.append(proposal)

    def _classes_of(self, owners: list[_Stream], short: np.ndarray) -> list[int | None]:
        """The class of each proposal: its stream's, or of a joint law one that its random number `short` gives."""
        joint = self._joint_classes
        if joint is None:
            return [owner.label for owner in owners]
        picked: list[int | None] = joint[(short * len(joint)).astype(np.int64)].tolist()
        return picked

    def _decide(self, ready: list[tuple[_Stream, _Proposal]], acceptance: Acceptance, drawn: _Draws) -> list[_Stream]:
        """The second stage for one proposal a stream; the streams whose proposal became a draw."""
        if not ready:
            return []
        proposals = [proposal for _, proposal in ready]
        latents = self._latents(
            torch.stack([proposal.z for proposal in proposals]), [proposal.label for proposal in proposals]
        )
        solved = self._log_volumes.solved
        log_volume = self._log_volumes(latents, np.array([proposal.seed for proposal in proposals], np.int64))
        screened = _joined([proposal.screened for proposal in proposals])
        correction = acceptance.log_correction(log_volume, screened)
        taken = []
        proposals_used = 0
        for (stream, proposal), log_ratio in zip(ready, correction.tolist(), strict=True):
            stream.seen.append((proposal.z, proposal.label, log_ratio))
            if proposal.u < np.exp(min(log_ratio, 0.0)):
                drawn.put(stream.row, proposal.z, proposal.label)
                taken.append(stream)
                proposals_used += proposal.step + 1
        ratios = np.exp(correction)
        self._sums += ratios.sum(), (ratios**2).sum(), (ratios - 1).clip(min=0).sum()
        self._count(
            drawn=len(taken),
            proposals=proposals_used,
            jacobians=len(ready),
            solved=self._log_volumes.solved - solved,
            exceedances=int((correction > 1e-9).sum()),
        )
        return taken

    def _latents(self, z: Tensor, labels: list[int | None]) -> Latents:
        return Latents(z, None if labels[0] is None else torch.tensor(labels))

    def _count(self, **more: int) -> None:
        ess = float(self._sums[0] ** 2 / self._sums[1]) if self._sums[1] else 0.0
        counts = {name: getattr(self._spent, name) + count for name, count in more.items()}
        beyond = float(self._sums[2] / self._sums[0]) if self._sums[0] else 0.0
        self._spent = replace(self._spent, ess=ess, beyond=beyond, **counts)


def _last_resort(stream: _Stream, length: int) -> tuple[Tensor, int | None]:
    """One of the latents whose weight is known, by these; else by guessed weights; else the stock latent: with its
    class."""
    log_ratio = np.array([each for *_, each in stream.seen])
    if not np.isfinite(log_ratio).any():
        return (stream.z, stream.label) if stream.guessed is None else stream.guessed[1:]
    weights = np.exp(log_ratio - log_ratio.max()).cumsum()
    u = stream_numbers(stream.key, length, 1).u[0, 2]
    return stream.seen[int(np.searchsorted(weights, u * weights[-1], side="right"))][:2]
