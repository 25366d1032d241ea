"""The file of a trained flow: its field, and what it is valid for. Files of others are read with care."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import isfinite, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from polarprior.plugin import Bank, Generator, Settings, UsageError, sha256_of
from polarprior_training.described_file import read_described, save_described
from torch import Tensor

from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.energies import Energy
from polarprior_boltzmann.interpolations import Diffusion, Interpolation, Trainable
from polarprior_boltzmann.networks import KernelMLPs, OfTime
from polarprior_boltzmann.problems import INTERPOLATIONS, between, problem_named

if TYPE_CHECKING:
    from polarprior_boltzmann.training import Training

FORMAT = "polarprior-flow/1"
CONSTANT, F_THETA = "constant.", "f_theta."
"""What names of tensors begin with that are not the field's."""
POINTS = 10_001
"""Times at which C is taken for an integral."""
ESTIMATORS = ("exact", "block-lanczos")
"""Estimators of true log-volumes."""
HINT = "make one: polarprior train boltzmann MODEL --bank BANK --out FLOW"


@dataclass(frozen=True)
class OfModel:
    """The polarity priors that a flow was trained on.

    Attributes:
        plugin, fingerprint, settings: of the generator.
        k, space, domain: of the log-volume.
        largest: |rho| at the ends of its time.
        std: of l_k over the prior, nats.
        r2: share of the variance of l_k that the emulator explained on rows held out.
        estimator, tolerance: that true log-volumes are taken with.
        bank: digest of the bank.
    """

    plugin: str
    fingerprint: str
    settings: dict[str, Any]
    k: int
    space: str
    domain: str
    largest: float
    std: float
    r2: float
    estimator: str
    tolerance: float
    bank: str

    @classmethod
    def of(cls, generator: Generator, bank: Bank, k: int, largest: float, std: float, r2: float) -> OfModel:
        """Describe the priors of `generator` by `bank`; true log-volumes are exact where the bank's are not."""
        info = bank.info
        name = info.estimator["name"]
        return cls(
            plugin=info.plugin,
            fingerprint=generator.fingerprint,
            settings=generator.settings.given(),
            k=k,
            space=info.space,
            domain=info.domain,
            largest=largest,
            std=std,
            r2=r2,
            estimator=name if name in ESTIMATORS else "exact",
            tolerance=info.estimator["tolerance"] or 0.01,
            bank=info.digest,
        )

    def check(self, dim: int) -> None:
        """ValueError where a field can't be of a model with `dim` latent numbers."""
        texts = ("plugin", "fingerprint", "space", "bank")
        if not all(isinstance(getattr(self, name), str) for name in texts):
            raise ValueError(f"one of {', '.join(texts)} is no text")
        if type(self.k) is not int or not 1 <= self.k <= dim:
            raise ValueError(f"k is {self.k!r}")
        if self.domain != "z" or self.estimator not in ESTIMATORS:
            raise ValueError(f"domain {self.domain!r}, estimator {self.estimator!r}")
        Settings.from_dict(self.settings)


@dataclass(frozen=True, eq=False)
class FlowFile:
    """A trained flow.

    Attributes:
        base: where it starts.
        field: V.
        recipe: how it was trained.
        problem: the energy's name; empty for a polarity prior.
        of_model: the polarity priors it was trained on, or None.
        metrics: as they were at the end of the training.
        constant: C_t, the slope of log Z_t in time, fitted to the field; None where none was learnt, or none kept.
        f_theta: the network of a trainable interpolation; None where that is another.
        digest: sha256 of the file, as hex; empty before it is one.
    """

    base: GeneralisedGaussian
    field: KernelMLPs
    recipe: dict[str, Any]
    problem: str = ""
    of_model: OfModel | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    constant: OfTime | None = None
    f_theta: KernelMLPs | None = None
    digest: str = ""

    @classmethod
    def of(
        cls,
        training: Training,
        problem: str = "",
        of_model: OfModel | None = None,
        metrics: dict[str, Any] | None = None,
    ) -> FlowFile:
        """The flow as a training has it now; see the attributes."""
        return cls(
            training.problem.base,
            training.field,
            asdict(training.recipe),
            problem,
            of_model,
            metrics or {},
            training.fitted_constant(),
            training.f_theta,
        )

    def save(self, path: Path) -> None:
        """Write it, atomically; the same flow gives the same bytes."""
        about = {
            "base": {"dim": self.base.dim, "p": self.base.p, "sigma": self.base.sigma},
            "span": list(self.field.span),
            "recipe": self.recipe,
            "problem": self.problem,
            "of_model": None if self.of_model is None else asdict(self.of_model),
            "metrics": self.metrics,
        }
        others = {CONSTANT: self.constant, F_THETA: self.f_theta}
        tensors = self.field.state_dict()
        for prefix, network in others.items():
            if network is not None:
                tensors |= {f"{prefix}{name}": tensor for name, tensor in network.state_dict().items()}
        save_described(path, FORMAT, about, tensors)

    @classmethod
    def open(cls, path: Path) -> FlowFile:
        """Read one.

        Raises:
            PolarPriorError: no such file, or it holds no flow.
        """
        return read_described(path, FORMAT, "flow", "flow", HINT, cls._made)

    def target(self, energy: str | None = None) -> Energy:
        """The energy that the flow was trained on.

        Args:
            energy: its name, where the file's own must not be enough, as ``torch:MODULE:FUNCTION``, which runs code.

        Raises:
            UsageError: another name than the file's, or a polarity prior, which is of a model.
        """
        if self.of_model is not None:
            raise UsageError(
                f"flow: of polarity priors of {self.of_model.plugin}, not of an energy",
                "draw with: polarprior sample MODEL --sampler boltzmann:FLOW",
            )
        if energy is not None and energy != self.problem:
            raise UsageError(
                f"energy: got {energy!r}, the flow was trained on {self.problem!r}", f"use energy={self.problem}"
            )
        return problem_named(self.problem if energy is None else energy).target

    def interpolation(self, energy: str | None = None) -> Interpolation:
        """The energies f_t between the base and the target, as they were learnt.

        Args:
            energy: see `target`.

        Raises:
            UsageError: what `target` raises; a flow that learnt none, or whose file does not hold it.
        """
        target, kind = self.target(energy), self._kind
        if self.constant is None or (kind == "trainable" and self.f_theta is None):
            raise self._not_kept("interpolation")
        if self.f_theta is not None:
            return Trainable(self.base, target, self.f_theta)
        return between(self.base, target, kind)

    def log_z(self, t: float = 1.0) -> float:
        """log Z_t of exp(-f_t): that of the base, and the integral of C from 0 to t (eq. 12).

        It is too low by the flow's reverse Kullback-Leibler divergence: see `losses.fit_constant`.

        At time 1 it is the log partition function of the target; of a polarity prior t is rho / `largest`, and
        log Z_t - log Z_0 the logarithm of the mean of exp(rho · l) over the model's own prior.

        Raises:
            UsageError: a flow that learnt no C, or whose file does not hold it.
        """
        if self.constant is None:
            raise self._not_kept("log Z")
        normalised = self._kind == "diffusion" and self.of_model is None
        times = torch.linspace(0, t, POINTS)
        with torch.no_grad():
            grown = torch.trapezoid(self.constant(times).double(), times.double())
        return float(grown) + (Diffusion.start_log_z if normalised else self.base.log_z)

    @property
    def _kind(self) -> str:
        """The name of the interpolation."""
        return str(self.recipe.get("interpolation", INTERPOLATIONS[0]))

    def _not_kept(self, what: str) -> UsageError:
        why = (
            "reverse KL learns none" if self.recipe.get("loss") == "reverse-kl" else "its file is of an older version"
        )
        return UsageError(f"flow: no {what} is kept: {why}", "train one again, with loss=continuity")

    @classmethod
    def _made(cls, path: Path, about: dict[str, Any], tensors: dict[str, Tensor]) -> FlowFile:
        found = cls(
            GeneralisedGaussian(int(about["base"]["dim"]), float(about["base"]["p"]), float(about["base"]["sigma"])),
            _field(tensors, tuple(map(float, about["span"]))),
            dict(about["recipe"]),
            str(about["problem"]),
            None if about["of_model"] is None else OfModel(**about["of_model"]),
            dict(about["metrics"]),
            _constant(tensors),
            _kernel_mlps(tensors, F_THETA, (0.0, 1.0)) if any(name.startswith(F_THETA) for name in tensors) else None,
            sha256_of(path),
        )
        found._check()
        return found

    def _check(self) -> None:
        """ValueError or TypeError where numbers are out of range or don't belong together."""
        dim = self.base.dim
        layers = list(self.field.weights)
        if layers[0].shape[2] != dim + 1 or layers[-1].shape[1] != dim:
            raise ValueError(f"a field of {layers[0].shape[2] - 1} numbers to {layers[-1].shape[1]}, not {dim}")
        if self.f_theta is not None:
            first, *_, last = self.f_theta.weights
            if first.shape[2] != dim + 1 or last.shape[1] != 1:
                raise ValueError(f"an energy of {first.shape[2] - 1} numbers to {last.shape[1]}")
        if self.recipe.get("interpolation", INTERPOLATIONS[0]) not in INTERPOLATIONS:
            raise ValueError(f"interpolation {self.recipe['interpolation']!r}")
        numbers = [self.base.p, self.base.sigma]
        if self.of_model is not None:
            numbers += [self.of_model.largest, self.of_model.std, self.of_model.tolerance]
            self.of_model.check(dim)
            if (self.base.p, self.base.sigma) != (2.0, sqrt(2)):
                raise ValueError("the base of a polarity prior is standard normal")
        if not all(isfinite(each) and each > 0 for each in numbers):
            raise ValueError(f"numbers that aren't positive: {numbers}")


def _field(tensors: dict[str, Tensor], span: tuple[float, ...]) -> KernelMLPs:
    if not all(each.is_floating_point() for each in tensors.values()):
        raise ValueError("tensors that hold whole numbers")
    if len(span) != 2 or not (-1 <= span[0] <= 0 < span[1] <= 1):
        raise ValueError(f"a span of {span}")
    return _kernel_mlps(tensors, "", (span[0], span[1]))


def _kernel_mlps(tensors: dict[str, Tensor], prefix: str, span: tuple[float, float]) -> KernelMLPs:
    count = sum(name.startswith(f"{prefix}weights.") for name in tensors)
    weights, biases = (
        [tensors[f"{prefix}{kind}.{i}"].float() for i in range(count)] for kind in ("weights", "biases")
    )
    return KernelMLPs(weights, biases, span).requires_grad_(False)


def _constant(tensors: dict[str, Tensor]) -> OfTime | None:
    own = {name.removeprefix(CONSTANT): each.float() for name, each in tensors.items() if name.startswith(CONSTANT)}
    if not own:
        return None
    layers = sum(name.endswith(".weight") for name in own)
    found = OfTime(width=len(own["layers.0.weight"]), layers=layers - 1, noise=torch.Generator())
    found.load_state_dict(own)
    return found.requires_grad_(False)
