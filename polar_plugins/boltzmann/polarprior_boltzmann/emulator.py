"""The log-volume as a smooth function of z alone: what a flow is trained on, since it looks a million times."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from polarprior.plugin import FEWEST_ROWS, Bank, BankError, FeaturesOf, Generator, Latents, surrogate_of
from torch import Tensor
from tqdm import tqdm

from polarprior_boltzmann.energies import Energy
from polarprior_boltzmann.networks import KernelMLPs

BATCH = 32
"""Latents that are labelled at once."""
WIDTH, LAYERS = 256, 2
EPOCHS, AT_ONCE, RATE, DECAY = 60, 256, 1e-3, 1e-2
HELD_OUT = 0.1
"""Share of the bank's rows that are not learnt from: half of them say when to stop, half how good it is."""
FURTHER = 1.5
"""Latents are labelled up to this many times the shifts that the largest rho gives."""


class Emulator(Energy):
    """l_k as a network of z, with value and gradient in closed form.

    Args:
        network: one MLP with one output; standardised log-volumes.
        mean, std: of l_k.
    """

    def __init__(self, network: KernelMLPs, mean: float, std: float):
        self.network, self.mean, self.std = network, mean, std
        self.dim = network.weights[0].shape[2] - 1

    def __call__(self, x: Tensor) -> Tensor:
        return self.mean + self.std * self.network(x, x.new_zeros(1))[:, 0]

    def with_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See `Energy`."""
        with torch.no_grad():
            value, slope, _ = self.network.with_gradient(x, x.new_zeros(1))
        return self.mean + self.std * value, self.std * slope


class Labelled(NamedTuple):
    """Latents with log-volumes to learn from.

    Attributes:
        z: float32 [n, K].
        log_volume: float32 [n], nats.
        known: the first rows, so many, are the bank's, and their log-volumes are true; the others are the
            surrogate's.
    """

    z: Tensor
    log_volume: Tensor
    known: int


def labelled(
    generator: Generator, bank: Bank, k: int, slope: Tensor, largest: float, count: int, noise: torch.Generator
) -> Labelled:
    """The rows of a bank, and `count` latents more, a forward pass each, labelled by the bank's surrogate.

    The latents are normal around shifts up to `FURTHER` times those of the largest rho: where the flow will go.

    Args:
        generator: without classes, with a standard normal prior.
        bank: of its latents.
        k: singular values.
        slope: a, [K], the shift a unit of rho.
        largest: |rho|.
        count: latents to label.
        noise: draws them.

    Raises:
        BankError: too few rows of full rank.
    """
    volumes = bank.log_volume(k)
    finite = np.isfinite(volumes)
    if finite.sum() < FEWEST_ROWS:
        raise BankError(
            f"bank: {finite.sum()} latents of full rank, a flow is trained on {FEWEST_ROWS} at least",
            "build a larger bank",
        )
    surrogate = surrogate_of(generator, bank, k)
    rows = generator.prior.draw(bank.seeds[finite]).z.flatten(1).float()
    shifts = FURTHER * largest * (2 * torch.rand(count, 1, generator=noise) - 1) * slope
    fresh = torch.randn(count, rows.shape[1], generator=noise) + shifts
    features_of, guesses = FeaturesOf(generator), []
    parts = fresh.split(BATCH)
    for part in tqdm(parts, "label", unit="batch", delay=2, leave=False):
        latents = Latents(part.reshape(-1, *generator.prior.shape))
        guesses.append(surrogate(features_of(latents.to(generator.device, generator.dtype))))
    every = np.concatenate([volumes[finite], *guesses])
    return Labelled(torch.cat([rows, fresh]), torch.from_numpy(every).float(), len(rows))


def fit(data: Labelled, noise: torch.Generator) -> tuple[Emulator, float]:
    """An emulator, and the share of the variance of true log-volumes, of rows held out, that it explains.

    Adam with decoupled weight decay; the weights are those of the epoch with the least error on other rows held out.
    Where the bank has no more rows than the surrogate was fitted on, its labels know of them, and the share is a
    little too good.
    """
    half = max(int(HELD_OUT * data.known) // 2, 2)
    start = data.known - 2 * half  # the last rows: the surrogate was fitted on the first
    stops, tells = slice(start, start + half), slice(start + half, data.known)
    learnt = torch.cat([torch.arange(start), torch.arange(data.known, len(data.z))])
    mean, std = float(data.log_volume[: data.known].mean()), float(data.log_volume[: data.known].std())
    targets = (data.log_volume - mean) / max(std, 1e-9)
    network = KernelMLPs.initial(data.z.shape[1], 1, width=WIDTH, layers=LAYERS, kernels=1, noise=noise)
    emulator = Emulator(network, mean, std)
    adam = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=EPOCHS * -(-len(learnt) // AT_ONCE))
    best, error = copy.deepcopy(network.state_dict()), float("inf")
    zero = torch.zeros(1)
    for _ in tqdm(range(EPOCHS), "emulator", unit="epoch", delay=2, leave=False):
        for rows in learnt[torch.randperm(len(learnt), generator=noise)].split(AT_ONCE):
            loss = (network(data.z[rows], zero)[:, 0] - targets[rows]).square().mean()
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            schedule.step()
        if (now := _error(network, data.z[stops], targets[stops])) < error:
            best, error = copy.deepcopy(network.state_dict()), now
    network.load_state_dict(best)
    network.requires_grad_(False)
    return emulator, 1 - _error(network, data.z[tells], targets[tells]) / max(float(targets[tells].var()), 1e-12)


def _error(network: KernelMLPs, z: Tensor, targets: Tensor) -> float:
    with torch.no_grad():
        return float((network(z, z.new_zeros(1))[:, 0] - targets).square().mean())
