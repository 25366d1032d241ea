"""Draws of a polarity prior by a flow, corrected by independence Metropolis-Hastings with true log-volumes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from math import ceil, log, log1p
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from polarprior.plugin import (
    DEFICIENT_SHARE,
    TRUSTED_K_HAT,
    Bank,
    Diagnostics,
    Generator,
    Latents,
    Limits,
    PolarPriorError,
    Redrawing,
    SamplerOptions,
    Spending,
    Weights,
    diagnose,
    effective_sample_size,
    latent_hash,
    stream_numbers,
    warn,
)
from torch import Tensor
from tqdm import tqdm

from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.flow import Flow
from polarprior_boltzmann.networks import KernelMLPs

GATE = 200
"""Draws whose true log-volumes say whether the flow can be trusted, and how long the chains must be."""
LEFT = 0.01
"""Share of a chain's law that may still be that of its first state."""
LONGEST = 100
"""Steps of a chain, at most."""
LEAST_ESS = 0.1
"""As a share: of the gate's draws, and of the law on a bank as the transport sees it."""


class Transport(Protocol):
    """Carries the prior towards the polarity prior of a rho."""

    def push(self, z: Tensor, rho: float) -> tuple[Tensor, Tensor]:
        """z [n, K] of the prior to draws [n, K], with their log density [n]."""
        ...

    def log_density(self, x: Tensor, rho: float) -> Tensor:
        """The log-density [n] of x [n, K]."""
        ...


class TrueLogVolumes(Protocol):
    """Latents to their true l_k, [n], such as `polarprior.plugin.LogVolumes`.

    Attributes:
        solved: Jacobians taken so far.
    """

    @property
    def solved(self) -> int:
        """See the class."""
        ...

    def __call__(self, latents: Latents) -> np.ndarray:
        """l_k, nats, float64 [n]."""
        ...

    def keeping(self) -> AbstractContextManager[None]:
        """Within it, what is solved is kept for the next time, where there is a place."""
        ...


class ByFlow(NamedTuple):
    """A flow whose time is rho.

    Attributes:
        field: V.
        largest: |rho| at the times -1 and 1.
    """

    field: KernelMLPs
    largest: float

    def push(self, z: Tensor, rho: float) -> tuple[Tensor, Tensor]:
        """See `Transport`."""
        return self._flow(z, rho).push(z)

    def log_density(self, x: Tensor, rho: float) -> Tensor:
        """See `Transport`."""
        return self._flow(x, rho).log_density(x)

    def _flow(self, z: Tensor, rho: float) -> Flow:
        return Flow(GeneralisedGaussian.normal(z.shape[1]), self.field, rho / self.largest, steps=12)


class ByShift(NamedTuple):
    """N(rho a, I), which costs nothing: the polarity prior of the linear part of l.

    Attributes:
        slope: a, [K].
    """

    slope: Tensor

    def push(self, z: Tensor, rho: float) -> tuple[Tensor, Tensor]:
        """See `Transport`."""
        return z + rho * self.slope.to(z), GeneralisedGaussian.normal(z.shape[1]).log_density(z)

    def log_density(self, x: Tensor, rho: float) -> Tensor:
        """See `Transport`."""
        return GeneralisedGaussian.normal(x.shape[1]).log_density(x - rho * self.slope.to(x))


class Draws(NamedTuple):
    """Draws of the transport itself, with what corrects them.

    Attributes:
        latents: [n].
        log_q: their log density under the transport, float64 [n].
        log_volume: true, nats, float64 [n].
        log_weight: rho l + log p - log q, float64 [n]: weighted so, averages are those of the polarity prior.
    """

    latents: Latents
    log_q: np.ndarray
    log_volume: np.ndarray
    log_weight: np.ndarray


class TransportSampler(Redrawing):
    """Each stock latent is carried along the transport; a chain of such draws from its own stream corrects it.

    A chain of independence Metropolis-Hastings whose weights are at most M times their mean has forgotten its first
    state but for a share (1 - 1/M) to the power of its steps (Mengersen and Tweedie 1996, Theorem 2.1). M is that of
    `GATE` draws, so the law is approximate. k-hat and ESS of these draws can't see a mode that the transport never
    visits; where there is a bank, its rows are looked at as well, see `forward_ess_on`.

    Args:
        generator: with a standard normal prior and no classes.
        transport: that proposes.
        log_volumes: the true ones.
        rho: the polarity.
        k: singular values.
        std: of l_k over the prior, nats.
        limits: of rho, where the transport has some.
        options: draws, force.
        about: for metadata.
        bank: of the generator's latents, to look at the transport from the other side.

    Raises:
        PolarPriorError: rho beyond the limits, or the weights can't be trusted, and `options.force` not set; or all
            draws have less than k singular values.
    """

    def __init__(
        self,
        generator: Generator,
        transport: Transport,
        log_volumes: TrueLogVolumes,
        rho: float,
        k: int,
        std: float,
        limits: Limits,
        options: SamplerOptions,
        about: dict[str, Any],
        bank: Bank | None = None,
    ):
        self._generator, self._transport, self._log_volumes = generator, transport, log_volumes
        self._rho, self._k, self._about = rho, k, about
        self._spent, self._log_weights = Spending(), np.zeros(0)
        if rho not in limits and not options.force:
            raise PolarPriorError(
                f"rho: got {rho:g}, this flow was trained for {limits}",
                f"use rho={limits.lower if rho < 0 else limits.upper:g}, train another, or go on with force=True",
            )
        log_w, volumes = np.zeros(GATE), np.zeros(GATE)
        if rho:
            with log_volumes.keeping():
                gate = self.draws(generator.prior.draw(range(GATE)).z)
            log_w, volumes = gate.log_weight, gate.log_volume
        if not np.isfinite(log_w).any():
            raise PolarPriorError(
                f"k: none of {GATE} draws has {k} nonzero singular values",
                f"use a smaller one, such as k={max(1, k // 2)}",
            )
        weights = np.exp(log_w - log_w.max())
        mean = min(float(weights.mean()), 1 - 1e-9)
        self._steps = min(LONGEST, max(1, ceil(log(LEFT) / log1p(-mean)))) if rho else 0
        self._left = (1 - mean) ** self._steps if rho else 0.0
        self._forward_ess = None if bank is None or not rho else self.forward_ess_on(bank)
        normal = Weights(log_w - log_w.max() - np.log(weights.sum()), weights / weights.sum())
        found = diagnose(volumes, rho, k, options.draws, None, limits, normal)
        self._diagnostics = replace(found, std=std, tilt=abs(rho) * std, ess_needed=LEAST_ESS * GATE)
        self._refuse_or_warn(options.force)

    def _refuse_or_warn(self, force: bool) -> None:
        found, complaints = self._diagnostics, []
        if found.k_hat >= TRUSTED_K_HAT:
            complaints.append(
                f"the weights of {GATE} draws have k-hat {found.k_hat:.2f} (trusted below {TRUSTED_K_HAT})"
            )
        if found.ess < found.ess_needed:
            complaints.append(f"their ESS is {found.ess:.0f} ({found.ess_needed:.0f} needed)")
        if self._left > LEFT * 1.001:
            complaints.append(f"chains of {LONGEST} steps would still be {self._left:.0%} their first states")
        if self._forward_ess is not None and self._forward_ess < LEAST_ESS:
            complaints.append(f"the ESS of the law on the bank is {self._forward_ess:.3f} ({LEAST_ESS} needed)")
        if found.rank_deficient > DEFICIENT_SHARE * GATE:
            complaints.append(f"{found.rank_deficient} of {GATE} draws have less than {found.k} singular values")
        if not complaints:
            return
        message = f"rho: at {self._rho:g} {'; '.join(complaints)}"
        if not force:
            raise PolarPriorError(message, "use a smaller rho, or sampler=online, or go on with force=True")
        warn(message)

    @property
    def diagnostics(self) -> Diagnostics:
        """What the weights of the gate's draws say, and what has been spent."""
        return replace(self._diagnostics, spending=self._spent)

    def described(self) -> dict[str, Any]:
        """For metadata: the transport, steps of a chain, what may be left of its first state, and the other side."""
        return {
            **self._about,
            "steps": self._steps,
            "left": self._left,
            "gate": GATE,
            "forward_ess": self._forward_ess,
        }

    def seeds_of(self, latents: Latents) -> list[int | None]:
        """No draw of a transport is a stock seed's."""
        return [None] * len(latents)

    def draws(self, z: Tensor) -> Draws:
        """The transport's own draws for stock latents z [n, *shape], with their weights; a Jacobian each."""
        x, log_q = self._transport.push(z.detach().cpu().flatten(1).float(), self._rho)
        latents = Latents(x.reshape(z.shape))
        volumes = self._log_volumes(latents)
        log_p = GeneralisedGaussian.normal(x.shape[1]).log_density(x.double())
        log_q = log_q.double()
        weight = self._rho * np.where(np.isfinite(volumes), volumes, -np.inf * np.sign(self._rho))
        return Draws(latents, log_q.numpy(), volumes, weight + (log_p - log_q).numpy())

    def redraw(self, z: Tensor, label: Tensor | None = None) -> Latents:
        """Latents for stock latents z [n, *shape]; each depends on its own alone."""
        self._generator.check(Latents(z, label))
        if not self._rho:
            return Latents(z, label)
        keys, solved = latent_hash(z), self._log_volumes.solved
        with self._log_volumes.keeping():
            state = self.draws(z)
            seen = [state.log_weight]
            for step in tqdm(range(self._steps), "chains", unit="step", delay=2, leave=False):
                found = [stream_numbers(key, step, 1) for key in keys.tolist()]
                fresh = self._generator.prior.draw(np.concatenate([each.seeds for each in found]))
                proposed = self.draws(fresh.z)
                seen.append(proposed.log_weight)
                u = np.concatenate([each.u[:, 0] for each in found])
                # A state of no volume has the weight 0, and takes any proposal that has some.
                moves = np.isfinite(proposed.log_weight) & (
                    np.log(u.clip(min=1e-300)) + np.nan_to_num(state.log_weight, neginf=-1e300) < proposed.log_weight
                )
                state = Draws(
                    Latents(torch.where(_column(moves, z), proposed.latents.z, state.latents.z)),
                    *(np.where(moves, new, old) for new, old in zip(proposed[1:], state[1:], strict=True)),
                )
        self._count(state.log_weight, np.concatenate(seen), self._log_volumes.solved - solved)
        return Latents(state.latents.z.to(device=z.device, dtype=z.dtype), label)

    def forward_ess_on(self, bank: Bank) -> float:
        """Effective sample size, a share of 1, of q / p over the polarity prior as the bank has it: by its rows'
        weights. It needs no Jacobian, and sees what the transport doesn't visit, where the bank does; a flow has been
        trained with the rows of its own bank."""
        volumes = bank.log_volume(self._k)
        finite = np.isfinite(volumes)
        z = self._generator.prior.draw(bank.seeds[finite]).z.flatten(1).float()
        log_q = self._transport.log_density(z, self._rho).double().numpy()
        log_p = GeneralisedGaussian.normal(z.shape[1]).log_density(z.double()).numpy()
        log_w = self._rho * volumes[finite]
        w = np.exp(log_w - log_w.max())
        ratio = log_q - log_p - log_w
        ratio = np.exp(ratio - ratio.max())
        return float((w @ ratio) ** 2 / (w.sum() * (w @ ratio**2)))

    def _count(self, ends: np.ndarray, log_weights: np.ndarray, solved: int) -> None:
        """Add up what `len(ends)` chains have spent; one that ends without a volume has not been accepted."""
        self._log_weights = np.concatenate([self._log_weights, log_weights])
        n = len(self._log_weights)
        self._spent = Spending(
            drawn=self._spent.drawn + len(ends),
            proposals=n,
            screened=n,
            jacobians=n,
            solved=self._spent.solved + solved,
            exhausted=self._spent.exhausted + int((~np.isfinite(ends)).sum()),
            ess=effective_sample_size(self._log_weights) if np.isfinite(self._log_weights).any() else 0.0,
        )


def _column(picked: np.ndarray, like: Tensor) -> Tensor:
    return torch.from_numpy(picked).reshape(-1, *[1] * (like.ndim - 1))
