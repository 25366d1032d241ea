"""An opened bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polarprior.bank import format as bank_format
from polarprior.bank.info import BankInfo
from polarprior.errors import BankError, UsageError
from polarprior.hashing import latent_hash
from polarprior.volume.log_volume import log_volume

if TYPE_CHECKING:
    from polarprior.generator import Generator


class Bank:
    """Latents' seeds with their spectra.

    Attributes:
        info: what the bank is valid for, and how it was made.

    Arrays are read, and checked, when one is first asked for: BankError then where the bank is damaged. Row i
    is the latent of seeds[i].
    """

    def __init__(self, info: BankInfo, read: Callable[[str], np.ndarray], name: str = "bank"):
        self.info = info
        self._read = read
        self._name = name

    @classmethod
    def open(cls, path: str | Path | None) -> Bank:
        """Open a bank file; BankError where it is missing, damaged or foreign. Reads no tensor yet."""
        if path is None:
            raise BankError("bank: got None, expected a path", "build one: pp.build_bank(generator, n=2000, k=30)")
        handle, info = bank_format.open_checked(Path(path))
        return cls(info, handle.get_tensor, str(path))

    @classmethod
    def of(cls, info: BankInfo, tensors: Mapping[str, np.ndarray]) -> Bank:
        """A bank in memory, from the tensors of the format; its digest is theirs."""
        return cls(replace(info, digest=bank_format.digest(info, tensors)), tensors.__getitem__)

    def save(self, path: str | Path) -> None:
        """Write the bank atomically; the same bank gives the same bytes."""
        bank_format.write(Path(path), self.tensors(), self.info)

    def tensors(self) -> dict[str, np.ndarray]:
        """All arrays by name, as they are stored, unchecked."""
        names = ["seeds", "latent_hash", "log_singular_values"]
        return {name: self._read(name) for name in names + ["labels"] * (self.info.num_classes is not None)}

    @cached_property
    def _checked(self) -> dict[str, np.ndarray]:
        """The arrays, read and checked once: digest, seeds, labels, finiteness, order; BankError otherwise."""
        tensors = self.tensors()
        if bank_format.digest(self.info, tensors) != self.info.digest:
            raise self._damaged("its digest is not that of its contents")
        seeds, labels, values = tensors["seeds"], tensors.get("labels"), tensors["log_singular_values"]
        if (seeds < 0).any() or (seeds >= 2**32).any():
            raise self._damaged("a seed is outside 0 to 4294967295")
        if labels is not None and ((labels < 0).any() or (labels >= (self.info.num_classes or 0)).any()):
            raise self._damaged("a label is outside its classes")
        invalid = (np.isnan(values) | (values == np.inf)).any(1)
        if invalid.any():
            first = np.flatnonzero(invalid)[0]
            raise self._damaged(f"NaN or infinity in {invalid.sum()} rows, the first at row {first}")
        disorder = (values[:, 1:] > values[:, :-1]).any(1)
        if disorder.any():
            raise self._damaged(f"singular values out of order at row {np.flatnonzero(disorder)[0]}")
        return tensors

    def __repr__(self) -> str:
        info = self.info
        return f"Bank({self._name}: {len(self)} latents of {info.plugin}, space {info.space}, k {info.k})"

    def __len__(self) -> int:
        return len(self.seeds)

    @property
    def seeds(self) -> np.ndarray:
        """int64 [N]: ``generator.prior.draw(seeds)`` gives the latents."""
        return self._checked["seeds"]

    @property
    def latent_hash(self) -> np.ndarray:
        """int64 [N]: `latent_hash` of each latent."""
        return self._checked["latent_hash"]

    @property
    def labels(self) -> np.ndarray | None:
        """int64 [N], the classes; None where the model has none."""
        return self._checked.get("labels")

    @property
    def log_singular_values(self) -> np.ndarray:
        """float32 [N, k], natural logarithms, descending in each row; -inf where the rank is less."""
        return self._checked["log_singular_values"]

    def log_volume(self, k: int | None = None, epsilon: float = 0.0) -> np.ndarray:
        """l_k, the sum of log(sigma + epsilon) over the first k singular values (all where None): float64 [N], nats.

        Raises:
            UsageError: k more than the bank holds, or below 1; epsilon below 0.
        """
        k = self.info.k if k is None else k
        if not 1 <= k <= self.info.k:
            raise UsageError(
                f"-k: got {k}, expected 1 to {self.info.k}, what this bank holds",
                f"use -k {self.info.k}, or build a bank that holds more",
            )
        return log_volume(self.log_singular_values[:, :k], epsilon)

    def rows_of(self, label: int | None) -> np.ndarray:
        """Rows of a class, ascending int64; all rows where `label` is None. UsageError where it has none."""
        if label is None:
            return np.arange(len(self))
        rows = np.flatnonzero(self.labels == label) if self.labels is not None else np.empty(0, np.int64)
        if not rows.size:
            known = [] if self.labels is None else np.unique(self.labels).tolist()
            listed = ", ".join(map(str, known[:10])) + (", ..." if len(known) > 10 else "")
            raise UsageError(
                f"--class: got {label}, the bank has {listed or 'no classes'}", "use one that it has, or none"
            )
        return rows

    def check_fits(self, generator: Generator) -> None:
        """Raise BankError, naming the field, unless the bank was built for this model and these settings."""
        pairs = {
            "fingerprint": (self.info.fingerprint, generator.fingerprint),
            "prior": (self.info.prior, generator.prior.name),
            "latent_shape": (self.info.latent_shape, tuple(generator.prior.shape)),
            "num_classes": (self.info.num_classes, generator.num_classes),
            "settings": (self.info.settings, generator.settings),
        }
        for field, (stored, actual) in pairs.items():
            if stored != actual:
                raise self._misfit(f"{field} is {_short(stored)}, {generator.plugin} has {_short(actual)}")
        if self.info.domain not in generator.domains:
            raise self._misfit(f"domain is {_short(self.info.domain)}, {generator.plugin} has no such domain")
        ends = [0, -1]
        if (latent_hash(generator.prior.draw(self.seeds[ends]).z) != self.latent_hash[ends]).any():
            raise self._misfit(f"prior: {generator.plugin} draws other latents for the same seeds")

    def _misfit(self, what: str) -> BankError:
        return BankError(
            f"{self._name} is for another model or other settings: {what}",
            f"build one for it: polarprior bank build MODEL -n {len(self)} -k {self.info.k} --out BANK",
        )

    def _damaged(self, what: str) -> BankError:
        return BankError(f"{self._name} is damaged: {what}", "build it again, or see: polarprior bank verify BANK")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:12] + "…"
