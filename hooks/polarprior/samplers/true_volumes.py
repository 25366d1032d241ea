"""True log-volumes of any latents: known from the bank, known from earlier draws, or solved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import numpy as np
import torch

from polarprior.bank.bank import Bank
from polarprior.bank.cache import forms
from polarprior.errors import PluginError
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash
from polarprior.jacobian.of_generator import JacobianFn, JacobianOf
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.estimators import TOLERANCE, default_estimator
from polarprior.volume.spectra import Spectra, columns_held, latents_at_once
from polarprior.volume.spectrum import check_k

NO_SEED = -1
MEASURED = 16
"""Rows on which a constant error of the bank is measured."""
SURVIVORS = {"seeds": np.int64, "hashes": np.int64, "labels": np.int64, "log_volume": np.float64}
"""Arrays that are kept of latents which were solved, [m] each."""


class VolumeSolver:
    """Latents to their l_k, a Jacobian each.

    Args:
        generator: the model.
        jacobian_fn: its Jacobian, of the space and domain that are asked for.
        k: singular values.
        estimator: ``exact`` or ``block-lanczos``.
        tol: error that is accepted, nats.
    """

    def __init__(self, generator: Generator, jacobian_fn: JacobianFn, k: int, estimator: str, tol: float = TOLERANCE):
        self._plugin = generator.plugin
        self._k = k
        self._estimator = estimator
        self._jacobian_fn = jacobian_fn
        self._spectra = Spectra(jacobian_fn, tol)
        self._chunk: int | None = None

    def __call__(self, latents: Latents) -> np.ndarray:
        """l_k, nats: float64 [n]; -inf where the rank is less. PluginError where a Jacobian is not finite."""
        volumes: np.ndarray = self.spectra(latents).sum(1)
        return volumes

    @property
    def passes(self) -> int:
        """JVPs and VJPs that the last latents took each."""
        return sum(self._spectra.passes)

    def spectra(self, latents: Latents) -> np.ndarray:
        """log sigma of the k largest singular values: float64 [n, k]. PluginError where a Jacobian is not finite."""
        with exact_arithmetic():
            if self._chunk is None:
                first = self._jacobian_fn(latents[:1])
                check_k(self._k, min(first.input_dim, first.output_dim))
                self._chunk = latents_at_once(first, columns_held(self._estimator, self._k, first.input_dim), None)
            parts = [
                self._spectra(latents[i : i + self._chunk], self._k, self._estimator)
                for i in range(0, len(latents), self._chunk)
            ]
        log_sigma: np.ndarray = torch.cat(parts).numpy()
        if not (log_sigma < np.inf).all():
            raise PluginError(
                f"{self._plugin}: the Jacobian of a latent holds NaN or infinity",
                "the model may need float32 or other settings",
            )
        return log_sigma


class LogVolumes:
    """l_k of latents, as a bank has or would have it.

    What is solved is remembered, and kept in the bank's cache by `keeping`: never in the bank, since these latents
    are no draws from the prior.

    Args:
        generator: the model.
        bank: whose space, domain and estimator are used, and whose rows are known.
        k: singular values.
        jacobian_of: gives the model's Jacobians.

    Raises:
        PolarPriorError: the bank names code that would have to be run.

    Attributes:
        solved: Jacobians taken so far.
    """

    def __init__(self, generator: Generator, bank: Bank, k: int, jacobian_of: JacobianOf):
        self._generator = generator
        self._bank = bank
        self._k = k
        info = bank.info
        rule = default_estimator(generator.prior.dim, k, len(bank))
        estimator = info.estimator["name"] if info.estimator["name"] in ("exact", "block-lanczos") else rule
        tol = info.estimator["tolerance"] or TOLERANCE
        jacobian_fn = jacobian_of(generator, info.space, info.domain)
        self._solve = VolumeSolver(generator, jacobian_fn, k, estimator, tol)
        self._name = f"survivors-k{k}"
        self._survivors = self._recalled()
        self._known = {(key, label): volume for _, key, label, volume in self._survivors}
        self._kept = len(self._survivors)
        self.solved = 0

    def __call__(self, latents: Latents, seeds: np.ndarray | None = None) -> np.ndarray:
        """l_k, nats: float64 [n]; -inf where the rank is less.

        Args:
            latents: [n].
            seeds: theirs, int64 [n], `NO_SEED` where there is none.
        """
        keys, rows = self._located(latents)
        for known in np.flatnonzero(rows >= 0).tolist():
            self._known[keys[known]] = float(self._bank.log_volume(self._k)[rows[known]])
        missing = [row for row, key in enumerate(keys) if key not in self._known]
        missing = list({keys[row]: row for row in missing}.values())
        if missing:
            volumes = self._solve(latents[torch.tensor(missing)]) + self._offset
            for row, volume in zip(missing, volumes.tolist(), strict=True):
                self._known[keys[row]] = volume
                seed = NO_SEED if seeds is None else int(seeds[row])
                self._survivors.append((seed, *keys[row], volume))
            self.solved += len(missing)
        return np.array([self._known[key] for key in keys])

    def spectra(self, latents: Latents) -> np.ndarray:
        """log sigma of the k largest singular values: float64 [n, k], the bank's for its rows. What is solved here
        is known to a call after it."""
        keys, rows = self._located(latents)
        found = np.empty((len(keys), self._k))
        for place in np.flatnonzero(rows >= 0).tolist():
            row = int(rows[place])
            found[place] = self._bank.columns(row, row + 1)["log_singular_values"][0, : self._k]
        missing = np.flatnonzero(rows < 0)
        if len(missing):
            found[missing] = self._solve.spectra(latents[torch.from_numpy(missing)])
            volumes = (found[missing].sum(1) + self._offset).tolist()
            self._known.update(zip((keys[place] for place in missing.tolist()), volumes, strict=True))
        return found

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Whatever happens meanwhile, keep what was solved for the next time."""
        try:
            yield
        finally:
            self._keep()

    def _keep(self) -> None:
        if len(self._survivors) > self._kept:
            here = {survivor[1:3] for survivor in self._survivors}
            self._survivors += [other for other in self._recalled() if other[1:3] not in here]
            columns = zip(SURVIVORS.items(), zip(*self._survivors, strict=True), strict=True)
            self._bank.keep(self._name, {name: np.array(values, dtype) for (name, dtype), values in columns})
            self._kept = len(self._survivors)

    def survivors(self) -> tuple[Latents, np.ndarray] | None:
        """Latents that have a seed, with their l_k [m], solved now or earlier; None where there are none."""
        found = [survivor for survivor in self._survivors if survivor[0] != NO_SEED]
        if not found:
            return None
        seeds, _, labels, volumes = zip(*found, strict=True)
        label = None if self._generator.num_classes is None else np.array(labels)
        return self._generator.prior.draw(seeds, label), np.array(volumes)

    @cached_property
    def _offset(self) -> float:
        """What the bank's estimator adds to every l_k, nats; measured on a few rows for k below the bank's."""
        stated = float(self._bank.info.estimator.get("offset", 0.0))
        if stated == 0 or self._k == self._bank.info.k:
            return stated
        rows = np.arange(min(MEASURED, len(self._bank)))
        labels = None if self._bank.labels is None else self._bank.labels[rows]
        solved = self._solve(self._generator.prior.draw(self._bank.seeds[rows], labels))
        return float(np.median(self._bank.log_volume(self._k)[rows] - solved))

    def seeds_of(self, latents: Latents) -> list[int | None]:
        """The seed of each latent that is a row of the bank, or was solved with its seed; else None."""
        seed_of = {(key, label): seed for seed, key, label, _ in self._survivors if seed != NO_SEED}
        keys, rows = self._located(latents)
        return [
            int(self._bank.seeds[row]) if row >= 0 else seed_of.get(key) for key, row in zip(keys, rows, strict=True)
        ]

    def _located(self, latents: Latents) -> tuple[list[tuple[int, int]], np.ndarray]:
        """Hash and class of each latent, and its row in the bank, or -1."""
        labels = np.zeros(len(latents), np.int64) if latents.label is None else latents.label.cpu().numpy()
        hashes = latent_hash(latents.z)
        return list(zip(hashes.tolist(), labels.tolist(), strict=True)), self._bank.rows_by_hash(hashes, labels)

    def _recalled(self) -> list[tuple[int, int, int, float]]:
        """What was kept, as seed, hash, class and l_k; nothing where it is not of that form."""
        kept = self._bank.recall(self._name) or {}
        rows = np.size(kept.get("seeds", ()))
        if forms(kept) != {name: ((rows,), np.dtype(dtype)) for name, dtype in SURVIVORS.items()}:
            return []
        return list(zip(*(kept[name].tolist() for name in SURVIVORS), strict=True))
