"""What fixes a bank's bytes: what was asked for, of which model, and what was decided before the first part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from polarprior.errors import UsageError
from polarprior.settings import Settings
from polarprior.volume.audit import audited_rows

DECIDED = ("chosen", "rank", "chunk", "audit_chunk", "part", "threads", "calibration", "calibrated", "offset")
"""Fields of a plan that are known once the model has been tried."""
MOST_PARTS = 1000
"""A part is as few chunks as keep within this many parts: little is lost with one, and a folder can be listed."""


@dataclass(frozen=True)
class Request:
    """The bank that was asked for; see `polarprior.building.build.build_bank` for the fields.

    Raises:
        UsageError: n or seeds_from out of range.
    """

    n: int
    k: int
    space: str
    domain: str
    classes: tuple[int, ...] | None
    seeds_from: int
    estimator: str | None
    tol: float
    memory: int | None
    compile: bool = False

    def __post_init__(self) -> None:
        if not (self.n >= 1 and 0 <= self.seeds_from <= 2**32 - self.n):
            raise UsageError(
                f"n, seeds_from: got {self.n} seeds from {self.seeds_from}, "
                "expected at least one, within 0 to 4294967295",
                "use such as n=10000",
            )


class Unit(NamedTuple):
    """Work that is done or not: rows first to stop of the bank (``part``), or of its audited rows (``audit``)."""

    kind: str
    first: int
    stop: int

    @property
    def name(self) -> str:
        """As its file is called."""
        return f"{self.kind}-{self.first:010d}"

    def __len__(self) -> int:
        return self.stop - self.first


@dataclass(frozen=True)
class Plan:
    """What fixes a bank's bytes on one type of machine.

    Attributes:
        request: what was asked for.
        plugin, plugin_version, fingerprint, prior, latent_shape, stock_seeds, num_classes, settings, licence, dtype:
            the model.
        torch, device: version of torch, and type of the device.
        chosen: the estimator.
        rank: largest rank of the Jacobian, which is what ``exact`` solves for.
        chunk, audit_chunk: latents that are solved at once, and exactly at once.
        part: rows of a part, whole chunks.
        threads: of a worker on a CPU.
        calibration: sha256 of the calibration's file, empty where there is none.
        calibrated: what of the calibration goes into the bank's metadata: its size, and errors by estimator.
        offset: typical error of the chosen estimator, nats.
    """

    request: Request
    plugin: str
    plugin_version: str
    fingerprint: str
    prior: str
    latent_shape: tuple[int, ...]
    stock_seeds: bool
    num_classes: int | None
    settings: Settings
    licence: str
    dtype: str
    torch: str
    device: str
    chosen: str = ""
    rank: int = 0
    chunk: int = 0
    audit_chunk: int = 0
    part: int = 0
    threads: int = 1
    calibration: str = ""
    calibrated: dict[str, float] | None = None
    offset: float = 0.0

    def to_json(self) -> str:
        """Canonical JSON."""
        values = {**asdict(self), "settings": self.settings.to_dict()}
        if not self.request.compile:  # plans that are older than this field go on
            del values["request"]["compile"]
        return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def digest(self) -> str:
        """sha256, as hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def difference(self, stored: str) -> tuple[str, str, str] | None:
        """The first field in which a stored plan differs: (its name, as stored, as here); None where there is none.

        Of a plan in which nothing is decided yet, only what is known counts.
        """
        try:
            values = _flat(json.loads(stored))
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
            return "plan.json", "damaged", "a plan"
        mine = _flat(json.loads(self.to_json()))
        for name in mine:
            if (self.chosen or name not in DECIDED) and values.get(name, "nothing") != mine[name]:
                return name, str(values.get(name, "nothing"))[:60], str(mine[name])[:60]
        return None

    def units(self) -> list[Unit]:
        """All there is to do: the parts, then what of them is solved exactly, to be compared."""
        units = [Unit("part", *span) for span in _spans(self.request.n, self.part)]
        if self.chosen == "exact":
            return units
        return units + [Unit("audit", *span) for span in _spans(len(audited_rows(self.request.n)), self.audit_chunk)]

    def rows(self, unit: Unit) -> np.ndarray:
        """The rows of the bank that `unit` solves, int64."""
        if unit.kind == "part":
            return np.arange(unit.first, unit.stop)
        return audited_rows(self.request.n)[unit.first : unit.stop]

    def seeds(self, rows: np.ndarray) -> np.ndarray:
        """The seeds of rows, int64."""
        return self.request.seeds_from + rows

    def labels(self, rows: np.ndarray) -> np.ndarray | None:
        """The classes of rows, in turn, int64; None for a model without classes."""
        if self.num_classes is None:
            return None
        classes = np.arange(self.num_classes) if self.request.classes is None else np.array(self.request.classes)
        return classes[rows % len(classes)].astype(np.int64)


def rows_of_a_part(n: int, chunk: int) -> int:
    """Whole chunks, as few as keep within `MOST_PARTS` parts."""
    return chunk * -(-n // (chunk * MOST_PARTS))


def _spans(total: int, size: int) -> Iterator[tuple[int, int]]:
    for first in range(0, total, size):
        yield first, min(first + size, total)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of the request and of the settings beside the others, under the names that a user knows them by."""
    values = dict(values)
    settings = dict(values.pop("settings"))
    return {"compile": False, **values.pop("request"), **settings.pop("own", {}), **settings, **values}
