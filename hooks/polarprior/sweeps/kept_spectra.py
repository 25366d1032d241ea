"""Spectra of latents that were solved once, kept in the user's cache folder for the next time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from polarprior.cache_folder import cache_folder, ensure_private
from polarprior.errors import PolarPriorError
from polarprior.files import writing_atomically
from polarprior.generator import Generator, Latents
from polarprior.hashing import latent_hash

LARGEST = 1 << 28
"""Bytes of a file that is read."""
Key = tuple[int, int]
"""A latent's hash, and its class or -1."""


def keys_of(latents: Latents) -> list[Key]:
    """The keys of n latents."""
    labels = np.full(len(latents), -1) if latents.label is None else latents.label.numpy()
    return list(zip(latent_hash(latents.z).tolist(), labels.tolist(), strict=True))


class KeptSpectra:
    """Spectra by estimator and key, of one model with its settings, one space and one k: a safetensors file.

    Whoever has no private folder keeps nothing, and gets no error; a file that can't be read is as good as none.

    Args:
        generator: the model.
        space: where volume is measured.
        k: singular values.

    Attributes:
        passes: by estimator, the (JVPs and VJPs) that a latent took, the most of all.
    """

    def __init__(self, generator: Generator, space: str, k: int):
        of = [generator.plugin, generator.version, generator.fingerprint, generator.prior.name, space, k]
        self._of = repr([*of, str(generator.dtype), generator.device.type, torch.__version__, generator.settings])
        self._k = k
        self._rows: dict[str, dict[Key, np.ndarray]] = {}
        self.passes: dict[str, int] = {}
        self._read()

    def get(self, estimator: str, key: Key) -> np.ndarray | None:
        """The spectrum of a latent, float64 [k]; None where it isn't known."""
        return self._rows.get(estimator, {}).get(key)

    def put(self, estimator: str, keys: Sequence[Key], log_sigma: np.ndarray, passes: int) -> None:
        """Add spectra [n, k] of latents, and write all of them, with what another process has written meanwhile."""
        self._read()
        self._rows.setdefault(estimator, {}).update(zip(keys, log_sigma, strict=True))
        self.passes[estimator] = max(passes, self.passes.get(estimator, 0))
        self._write()

    def _file(self) -> Path | None:
        folder = cache_folder()
        if folder is None or not ensure_private(folder):
            return None
        return folder / f"spectra-{hashlib.sha256(self._of.encode()).hexdigest()[:32]}.safetensors"

    def _read(self) -> None:
        file = self._file()
        with suppress(OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError):
            if file is None or file.is_symlink() or file.stat().st_size > LARGEST:
                return
            with safe_open(file, framework="numpy") as opened:
                metadata = opened.metadata()
                if metadata.pop("of") != self._of:
                    return
                for estimator, passes in metadata.items():
                    keys, spectra = (opened.get_tensor(f"{estimator}.{name}") for name in ("keys", "log_sigma"))
                    if spectra.shape == (len(keys), self._k) and keys.shape == (len(keys), 2):
                        self.passes[estimator] = max(int(passes), self.passes.get(estimator, 0))
                        rows = zip(map(tuple, keys.tolist()), spectra, strict=True)
                        self._rows.setdefault(estimator, {}).update(rows)

    def _write(self) -> None:
        file = self._file()
        if file is None:
            return
        arrays = {}
        for estimator, rows in self._rows.items():
            arrays[f"{estimator}.keys"] = np.array(list(rows), np.int64).reshape(-1, 2)
            arrays[f"{estimator}.log_sigma"] = np.stack(list(rows.values())).astype(np.float64)
        metadata = {"of": self._of, **{name: str(passes) for name, passes in self.passes.items()}}
        with suppress(PolarPriorError), writing_atomically(file) as temporary:
            save_file(arrays, temporary, metadata)
