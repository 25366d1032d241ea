"""The file of a trained flow: its field, and what it is valid for. Files of others are read with care."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

from polarprior.plugin import Bank, Generator, Settings, sha256_of
from polarprior_training.described_file import read_described, save_described
from torch import Tensor

from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.networks import KernelMLPs

FORMAT = "polarprior-flow/1"
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
        digest: sha256 of the file, as hex; empty before it is one.
    """

    base: GeneralisedGaussian
    field: KernelMLPs
    recipe: dict[str, Any]
    problem: str = ""
    of_model: OfModel | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    digest: str = ""

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
        save_described(path, FORMAT, about, self.field.state_dict())

    @classmethod
    def open(cls, path: Path) -> FlowFile:
        """Read one.

        Raises:
            PolarPriorError: no such file, or it holds no flow.
        """
        return read_described(path, FORMAT, "flow", "flow", HINT, cls._made)

    @classmethod
    def _made(cls, path: Path, about: dict[str, Any], tensors: dict[str, Tensor]) -> FlowFile:
        found = cls(
            GeneralisedGaussian(int(about["base"]["dim"]), float(about["base"]["p"]), float(about["base"]["sigma"])),
            _field(tensors, tuple(map(float, about["span"]))),
            dict(about["recipe"]),
            str(about["problem"]),
            None if about["of_model"] is None else OfModel(**about["of_model"]),
            dict(about["metrics"]),
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
        numbers = [self.base.p, self.base.sigma]
        if self.of_model is not None:
            numbers += [self.of_model.largest, self.of_model.std, self.of_model.tolerance]
            self.of_model.check(dim)
            if (self.base.p, self.base.sigma) != (2.0, sqrt(2)):
                raise ValueError("the base of a polarity prior is standard normal")
        if not all(isfinite(each) and each > 0 for each in numbers):
            raise ValueError(f"numbers that aren't positive: {numbers}")


def _field(tensors: dict[str, Tensor], span: tuple[float, ...]) -> KernelMLPs:
    count = sum(name.startswith("weights.") for name in tensors)
    if not all(each.is_floating_point() for each in tensors.values()):
        raise ValueError("tensors that hold whole numbers")
    if len(span) != 2 or not (-1 <= span[0] <= 0 < span[1] <= 1):
        raise ValueError(f"a span of {span}")
    weights, biases = ([tensors[f"{kind}.{i}"].float() for i in range(count)] for kind in ("weights", "biases"))
    return KernelMLPs(weights, biases, (span[0], span[1])).requires_grad_(False)
