"""The samplers by name: ``boltzmann:FLOW`` and ``boltzmann:shift``."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from polarprior.plugin import (
    AskingHost,
    Bank,
    BankError,
    Generator,
    Latents,
    Limits,
    LogVolumes,
    PolarPriorError,
    SamplerOptions,
    UsageError,
    VolumeSolver,
    latent_hash,
)

from polarprior_boltzmann import NAME
from polarprior_boltzmann.flow_file import FlowFile, OfModel
from polarprior_boltzmann.polarity import check_normal, slope_of, spread_of
from polarprior_boltzmann.transport_sampler import ByFlow, ByShift, TransportSampler, TrueLogVolumes

SHIFT = "shift"


def sampler(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> TransportSampler:
    """The one that ``options.sampler`` names.

    Raises:
        UsageError: no name, or an option that has no meaning here.
        BankError: a bank that is of another model; none where one is needed.
        PolarPriorError: a file that holds no flow, or one of another model.
    """
    if options.support != "prior" or options.held:
        raise UsageError("support, hold: a flow draws the polarity prior as it is", "use sampler=online")
    if not np.isfinite(rho):
        raise UsageError(f"rho: got {rho}, expected a number", "use such as rho=-0.05")
    check_normal(generator)
    _, _, named = options.sampler.partition(":")
    if not named:
        raise UsageError(
            f"sampler: got {NAME}, expected {NAME}:FLOW, the file of a flow, or {NAME}:{SHIFT}",
            "make one: polarprior train boltzmann MODEL --bank BANK --out FLOW",
        )
    if bank is not None:
        bank.check_fits(generator)
        if bank.info.domain != "z":
            raise UsageError(f"bank: its domain is {bank.info.domain!r}, a flow's is 'z'", "use sampler=online")
    make = _shifted if named == SHIFT else _flowing
    return make(generator, bank, rho, options, host)


def _shifted(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> TransportSampler:
    if bank is None:
        raise BankError(f"bank: {NAME}:{SHIFT} takes its slope from one, got none", "add bank=BANK")
    k = bank.info.k if options.k is None else options.k
    transport, std = ByShift(slope_of(bank, generator, k)), spread_of(bank, k)
    about = {"transport": "N(rho a, I)", "bank": bank.info.digest}
    true = LogVolumes(generator, bank, k, host.jacobian_fn)
    return TransportSampler(generator, transport, true, rho, k, std, Limits(-np.inf, np.inf), options, about, bank)


def _flowing(
    generator: Generator, bank: Bank | None, rho: float, options: SamplerOptions, host: AskingHost
) -> TransportSampler:
    path = Path(options.sampler.partition(":")[2])
    found = FlowFile.open(path)
    of = found.of_model
    if of is None:
        raise PolarPriorError(
            f"sampler: the flow {path} was trained on {found.problem or 'no model'}, not on a polarity prior",
            "make one: polarprior train boltzmann MODEL --bank BANK --out FLOW",
        )
    _check_of(generator, bank, of, path, options)
    true: TrueLogVolumes
    if bank is None:
        jacobian_fn = host.jacobian_fn(generator, of.space, of.domain)
        true = _Unkept(VolumeSolver(generator, jacobian_fn, of.k, of.estimator, of.tolerance))
    else:
        true = LogVolumes(generator, bank, of.k, host.jacobian_fn)
    limits = Limits(-of.largest, of.largest)
    about = {"transport": f"flow {found.digest}", "recipe": found.recipe, "r2": of.r2}
    return TransportSampler(
        generator, ByFlow(found.field, of.largest), true, rho, of.k, of.std, limits, options, about, bank
    )


class _Unkept:
    """Log-volumes without a bank, whose cache could keep them: remembered while the sampler is there."""

    def __init__(self, solve: VolumeSolver):
        self._solve = solve
        self._known: dict[int, float] = {}

    @property
    def solved(self) -> int:
        return len(self._known)

    def __call__(self, latents: Latents) -> np.ndarray:
        keys = latent_hash(latents.z).tolist()
        missing = list({key: row for row, key in enumerate(keys) if key not in self._known}.values())
        if missing:
            volumes = self._solve(latents[torch.tensor(missing)])
            self._known |= {keys[row]: volume for row, volume in zip(missing, volumes.tolist(), strict=True)}
        return np.array([self._known[key] for key in keys])

    def keeping(self) -> AbstractContextManager[None]:
        return nullcontext()


def _check_of(generator: Generator, bank: Bank | None, of: OfModel, path: Path, options: SamplerOptions) -> None:
    """Raise where the flow is of another model, or of settings, k or a space other than asked for."""
    again = "train one for it: polarprior train boltzmann MODEL --bank BANK --out FLOW"
    if of.fingerprint != generator.fingerprint:
        raise PolarPriorError(f"sampler: the flow {path} is of other weights, of a model of {of.plugin}", again)
    if of.settings != generator.settings.given():
        words = ", ".join(f"{name}={value}" for name, value in of.settings.items())
        raise PolarPriorError(
            f"sampler: the flow {path} is for the settings {of.settings}, got {generator.settings.given()}",
            f"add {words}" if words else "leave them out",
        )
    if options.k not in (None, of.k):
        raise UsageError(f"k: got {options.k}, the flow {path} was trained for {of.k}", f"use k={of.k}")
    if bank is not None and (bank.info.space != of.space or bank.info.k < of.k):
        raise BankError(
            f"bank: its space is {bank.info.space}, k {bank.info.k}, that of the flow {of.space}, k {of.k}",
            "name the bank that it was trained on, or none",
        )
