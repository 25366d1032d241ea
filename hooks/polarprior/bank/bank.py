"""An opened bank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from polarprior.arguments import LABEL, SEEDS, SHARD_SIZE, K, checked, flag, number, path, whole
from polarprior.bank import format as bank_format
from polarprior.bank import index, writing
from polarprior.bank.cache import BankCache, forms
from polarprior.bank.contents import checked_log_volume, log_volumes
from polarprior.bank.extremes import End, end_of
from polarprior.bank.format import BankFile, Columns
from polarprior.bank.from_hub import fetched
from polarprior.bank.info import BankInfo
from polarprior.errors import BankError, UsageError
from polarprior.hashing import latent_hash
from polarprior.hub.name import hub_name, is_on_hub
from polarprior.settings import Settings
from polarprior.stages import stage
from polarprior.user_functions import NAME

if TYPE_CHECKING:
    from polarprior.generator import Generator

WORDS = {"trunc": "truncation", "temperature": "temperature", "noise_mode": "noise mode"}
"""What settings are called."""


class Bank:
    """Latents' seeds with their spectra, in one file or in shards.

    Attributes:
        info: what the bank is valid for, and how it was made.
        path: its file or index; None for one in memory.
        origin: its name on the Hub with the commit, ``hf://USER/NAME@COMMIT/FILE``; None for one that isn't from
            there.

    Columns are memory-mapped. What they hold is checked once, when anything is first read: BankError then where the
    bank is damaged. Of a bank of over 64 MB that pass is remembered, with its log-volumes, see
    `polarprior.bank.cache`. Row i is the latent of seeds[i].
    """

    def __init__(self, info: BankInfo, files: Sequence[BankFile], path: Path | None = None, cached: bool = True):
        self.info = info
        self._files = files
        self.path = path
        self.origin: str | None = None
        self._name = "bank" if path is None else str(path)
        self._cache = BankCache(files) if path is not None and cached else None
        self._remembered: dict[str, np.ndarray] = {}
        self._kept: dict[str, Mapping[str, np.ndarray]] = {}

    @classmethod
    @checked(path=path().or_none(), cached=flag())
    def open(cls, path: str | Path | None, cached: bool = True) -> Bank:
        """Open a bank by its file, its index or its base name; BankError where it is missing, damaged or foreign.

        Reads no column yet. One of the Hub, ``hf://USER/NAME[@REVISION][/FILE]``, is fetched and checked first,
        unless that commit is here already. `cached`: whether it may keep what it computes on the disk, see
        `BankCache`.
        """
        if path is None:
            raise BankError("bank: got None, expected a path", "build one: pp.build_bank(generator, n=2000, k=30)")
        if is_on_hub(path):
            local, name = fetched(hub_name(path))
            bank = cls.open(local, cached)
            bank.origin = bank._name = str(name)
            return bank
        info, files = index.open_files(Path(path))
        return cls(info, files, index.find(Path(path)), cached)

    @classmethod
    def of(cls, info: BankInfo, columns: Columns) -> Bank:
        """A bank in memory, from the columns of the format; its digest is theirs."""
        file = bank_format.in_memory(info, columns)
        return cls(file.info, [file])

    @checked(path=path(), max_shard_size=SHARD_SIZE)
    def save(self, path: str | Path, max_shard_size: int = writing.MAX_SHARD_SIZE) -> Path:
        """Write the bank atomically; the same bank gives the same bytes.

        Args:
            path: the file; ``.safetensors`` is added where it is missing.
            max_shard_size: bytes of a file; what is larger is written as ``NAME-00001-of-000NN-DIGEST.safetensors``
                and ``NAME.safetensors.index.json``.

        Returns:
            What was written: the file, or the index.

        Raises:
            UsageError: `max_shard_size` is no size, or makes too many files.
            PolarPriorError: it can't be written; what was there before still is.
        """
        return writing.write_files(Path(path), self.info, len(self), self.columns, max_shard_size)

    @checked(n=whole(1, SEEDS, "use such as n=8"), label=LABEL.or_none(), k=K.or_none(), anti=flag())
    def top(self, n: int, *, label: int | None = None, k: int | None = None, anti: bool = False) -> End:
        """The seeds of lowest log-volume, which are the modes, or of highest, the anti-modes.

        Args:
            n: how many, 1 to the rows of full rank.
            label: of this class; of all where None.
            k: singular values in the log-volume; all where None.
            anti: the anti-modes.

        Returns:
            End: ``.seeds``, the most extreme first, and their ``.log_volumes``, nats.

        Raises:
            UsageError: n, the class or k out of range.
        """
        rows = self.rows_of(label)
        return end_of(self.seeds[rows], self.log_volume(k)[rows], n, anti)

    def columns(self, start: int = 0, stop: int | None = None) -> dict[str, np.ndarray]:
        """The columns of rows start to stop (all by default) by name, as they are stored, unchecked."""
        stop, first = len(self) if stop is None else stop, 0
        parts: list[Columns] = []
        for file in self._files:
            rows = slice(max(start - first, 0), max(stop - first, 0))
            parts.append({name: array[rows] for name, array in file.columns.items()})
            first += file.rows
        return {name: _joined([part[name] for part in parts]) for name in parts[0]}

    def remember(
        self, name: str, compute: Callable[[], np.ndarray], length: int | None = None, dtype: type = np.float64
    ) -> np.ndarray:
        """What `compute` gives, [length] (by default one a row), computed once; on the disk see `BankCache`."""
        if name not in self._remembered:
            length, of_type = len(self) if length is None else length, np.dtype(dtype)
            cache = self._cache if self._cache is not None and self._cache.large else None
            kept = None if cache is None else cache.get(name, length * of_type.itemsize)
            if kept is None or forms(kept) != {name: ((length,), of_type)}:
                kept = {name: compute()}
                if cache is not None:
                    cache.put(name, kept)
            self._remembered[name] = kept[name]
        return self._remembered[name]

    def recall(self, name: str) -> Mapping[str, np.ndarray] | None:
        """The arrays that were last kept under that name by `keep`, here or elsewhere; None where none were.

        Whoever asks compares their `polarprior.bank.cache.forms` with those that it keeps: a file may hold any.
        """
        kept = None if self._cache is None else self._cache.get(name, lasts=True)
        return self._kept.get(name) if kept is None else kept

    def keep(self, name: str, arrays: Mapping[str, np.ndarray]) -> bool:
        """Keep named arrays, of any shapes and dtypes, that come from more than the bank; in place of those before.

        They are kept on the disk too, see `BankCache`: what is returned is whether they will be there the next time.
        """
        self._kept[name] = arrays
        return self._cache is not None and self._cache.put(name, arrays, lasts=True)

    def _checked(self, name: str) -> np.ndarray:
        """A column, once the contents have been checked."""
        self.log_volume()
        return _joined([file.columns[name][:] for file in self._files])

    def __repr__(self) -> str:
        info = self.info
        return f"Bank({self._name}: {len(self)} latents of {info.plugin}, space {info.space}, k {info.k})"

    def __len__(self) -> int:
        return sum(file.rows for file in self._files)

    @property
    def size(self) -> int:
        """Bytes of its columns."""
        return len(self) * bank_format.row_bytes(self.info.k, self.info.num_classes)

    @property
    def place(self) -> str | Path | None:
        """What `open` opens again: its name on the Hub, or its path; None for one in memory."""
        return self.origin or self.path

    def stored(self) -> dict[str, str]:
        """What is stored of it beside what is drawn: its digest, and its name on the Hub where it is from there."""
        return {"bank": self.info.digest, **({} if self.origin is None else {"bank_from": self.origin})}

    @property
    def files(self) -> list[Path]:
        """Its files on the disk, the index last; none of a bank in memory."""
        shards = [file.path for file in self._files if file.path is not None]
        return shards if self.path in shards or self.path is None else [*shards, self.path]

    @cached_property
    def seeds(self) -> np.ndarray:
        """int64 [N]: ``generator.prior.draw(seeds)`` gives the latents."""
        return self._checked("seeds")

    @cached_property
    def latent_hash(self) -> np.ndarray:
        """int64 [N]: `latent_hash` of each latent."""
        return self._checked("latent_hash")

    @cached_property
    def labels(self) -> np.ndarray | None:
        """int64 [N], the classes; None where the model has none."""
        return None if self.info.num_classes is None else self._checked("labels")

    @cached_property
    def log_singular_values(self) -> np.ndarray:
        """float32 [N, k], natural logarithms, descending in each row; -inf where the rank is less.

        Of a bank in shards this reads them all into memory; `columns` gives some rows of them.
        """
        return self._checked("log_singular_values")

    @checked(k=K.or_none(), epsilon=number(least=0))
    def log_volume(self, k: int | None = None, epsilon: float = 0.0) -> np.ndarray:
        """l_k, the sum of log(sigma + epsilon) over the first k singular values (all where None): float64 [N], nats.

        Raises:
            UsageError: k more than the bank holds, or below 1; epsilon below 0.
            BankError: the bank's contents are damaged.
        """
        largest = self.info.k
        k = largest if k is None else k
        if not 1 <= k <= largest:
            raise UsageError(
                f"k: got {k}, expected 1 to {largest}, what this bank holds",
                f"use k={largest}, or build a bank that holds more",
            )
        whole = self.remember(f"log_volume-k{largest}", self._checked_log_volume)
        if (k, epsilon) == (largest, 0.0):
            return whole
        return self.remember(f"log_volume-k{k}-{epsilon!r}", lambda: log_volumes(self._files, k, epsilon))

    def check(self) -> None:
        """Read and check all contents now, whatever is remembered; BankError where they are damaged."""
        self._checked_log_volume()

    def _checked_log_volume(self) -> np.ndarray:
        with stage(f"checking {self._name}"):
            return checked_log_volume(self._files, self._name)

    def by_hash(self) -> np.ndarray:
        """int64 [N]: the rows in the order of their `latent_hash`."""
        return self.remember("by_hash", lambda: np.argsort(self.latent_hash, kind="stable"), dtype=np.int64)

    def rows_by_hash(self, hashes: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The row that each latent is, -1 where it is none, int64 [n]: by `latent_hash`, and by class where there are
        classes, int64 [n] both."""
        order, last = self.by_hash(), len(self) - 1
        places = np.searchsorted(self.latent_hash, hashes, sorter=order)
        while True:
            found = order[places.clip(max=last)]
            same = self.latent_hash[found] == hashes
            if self.labels is None:
                return np.where(same, found, -1)
            mine = same & (self.labels[found] == labels)
            other = same & ~mine & (places < last)  # the same latent of another class: it may follow
            if not other.any():
                return np.where(mine, found, -1)
            places = places + other

    @checked(label=LABEL.or_none())
    def rows_of(self, label: int | None) -> np.ndarray:
        """Rows of a class, ascending int64; all rows where `label` is None. UsageError where it has none."""
        if label is None:
            return np.arange(len(self))
        rows = np.empty(0, np.int64)
        if self.labels is not None:
            by_label = self._by_label
            first, stop = np.searchsorted(self.labels, [label, label + 1], sorter=by_label)
            rows = by_label[first:stop]
        if not rows.size:
            known = [] if self.labels is None else np.unique(self.labels).tolist()
            listed = ", ".join(map(str, known[:10])) + (", ..." if len(known) > 10 else "")
            hint = "use one that it has, or none" if known else "leave the class out"
            raise UsageError(f"label: got {label}, the bank has {listed or 'no classes'}", hint)
        return rows

    @cached_property
    def _by_label(self) -> np.ndarray:
        """int64 [N]: the rows of each class, ascending, class after class."""
        return np.argsort(np.zeros(0) if self.labels is None else self.labels, kind="stable")

    def check_fits(self, generator: Generator) -> None:
        """Raise BankError, saying what differs, unless the bank was built for this model and these settings."""
        info, called = self.info, generator.called
        self.check_made_by(generator.plugin, generator.source or "MODEL")
        if info.fingerprint != generator.fingerprint:
            raise self._misfit(*self._other_weights(generator))
        for what, stored, actual in (
            ("the prior", info.prior, generator.prior.name),
            ("latents of shape", info.latent_shape, tuple(generator.prior.shape)),
            ("number of classes", info.num_classes, generator.num_classes),
        ):
            if stored != actual:
                raise self._misfit(f"is for {what} {_short(stored)}, {called} has {_short(actual)}", generator)
        for name in info.settings.differences(generator.settings):
            stored, actual = info.settings.get(name), generator.settings.get(name)
            there, here = (_short(each) if each is not None else "none" for each in (stored, actual))
            opened = f"open {called} with {name}={there}, or " if stored is not None else ""
            word = WORDS.get(name, name)
            raise self._misfit(f"is for {word} {there}, {called} was opened with {here}", generator, opened)
        if info.domain not in generator.domains:
            raise self._misfit(f"is for the domain {_short(info.domain)}, {called} has no such domain", generator)
        ends = [0, -1]
        if (latent_hash(generator.prior.draw(self.seeds[ends]).z) != self.latent_hash[ends]).any():
            raise self._misfit(f"is for other latents: {called} draws others for the same seeds", generator)

    def check_made_by(self, plugin: str, model: str) -> None:
        """Raise BankError unless the bank is of a model of that plugin; `model` is what the command line calls it."""
        if self.info.plugin != plugin:
            of, other = ("a user's own module" if name == NAME else name for name in (self.info.plugin, plugin))
            raise BankError(
                f"bank: {self.place or 'it'} is a bank of {of}, not of {other}",
                f"build one for it: polarprior bank build {quote(model)} -n {len(self)} -k {self.info.k} --out BANK",
            )

    def _other_weights(self, generator: Generator) -> tuple[str, Generator, str]:
        """What to say where the weights differ."""
        info, called = self.info, generator.called
        digests = f"fingerprint {info.fingerprint[:12]}, {called} has {generator.fingerprint[:12]}"
        if info.plugin == NAME:
            mend = "where its weights are made anew each time, seed or load them; or "
            return f"is a bank of a module with other weights or layers ({digests})", generator, mend
        return f"is a bank of {called} with other weights ({digests})", generator, ""

    def _misfit(self, what: str, generator: Generator, instead: str = "") -> BankError:
        command = f"polarprior bank build {quote(generator.source or 'MODEL')} -n {len(self)} -k {self.info.k}"
        if self.info.space != "pixel":
            command += f" --space {quote(self.info.space)}"
        if self.info.domain != "z":
            command += f" --domain {quote(self.info.domain)}"
        if generator.settings.trunc is not None:
            command += f" --trunc {generator.settings.trunc:g}"
        if generator.settings.temperature is not None:
            command += f" --temp {generator.settings.temperature:g}"
        if generator.settings.noise_mode is not None:
            command += f" --noise-mode {quote(generator.settings.noise_mode)}"
        command += "".join(
            f" --set {quote(f'{name}={value}')}" for name, value in dict(generator.settings.own).items()
        )
        command += " --out BANK"
        return BankError(f"bank: {self.place or 'it'} {what}", f"{instead}build one for it: {command}")


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _short(value: object) -> str:
    text = str(value.given() or "the defaults") if isinstance(value, Settings) else str(value)
    return text if len(text) <= 60 else text[:12] + "…"
