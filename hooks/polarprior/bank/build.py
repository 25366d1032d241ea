"""Building a bank: draw seeds from the model's own prior, take each one's spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from polarprior.bank.bank import Bank
from polarprior.bank.info import BankInfo
from polarprior.checks import check_behaves
from polarprior.errors import PluginError, UsageError
from polarprior.generator import Generator
from polarprior.hashing import latent_hash
from polarprior.host import default_host
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.estimators import top_singular_values
from polarprior.volume.spectrum import check_k

CHUNK_NUMBERS = 5_000_000
"""Numbers in the Jacobians that are taken at once, and so memory. Part of what fixes a bank's bytes."""


def build_bank(
    generator: Generator,
    n: int,
    k: int = 30,
    *,
    space: str = "pixel",
    domain: str = "z",
    classes: Sequence[int] | None = None,
    seeds_from: int = 0,
    progress: bool = False,
) -> Bank:
    """Take the spectra of n latents of the model's own prior.

    Args:
        generator: the model; its settings are the bank's.
        n: rows in all. Row i has seed ``seeds_from + i``.
        k: singular values a row, 1 to the rank bound of the Jacobian.
        space: where volume is measured.
        domain: where latents live.
        classes: of a class-conditional model: row i has class ``classes[i % len(classes)]``; all where None.
        seeds_from: the first seed.
        progress: show a bar with a rate and a time left, on stderr.

    Returns:
        A Bank in memory; ``bank.save(path)`` writes it.

    Raises:
        UsageError: n, k, a class or the space out of range.
        PluginError: the generator draws noise inside or couples its batch, or its Jacobian holds NaN or infinity.
    """
    if not (n >= 1 and 0 <= seeds_from <= 2**32 - n):
        raise UsageError(
            f"-n, --seeds-from: got {n} seeds from {seeds_from}, expected at least one, within 0 to 4294967295",
            "use such as -n 10000",
        )
    seeds = np.arange(seeds_from, seeds_from + n, dtype=np.int64)
    labels = _labels(generator, n, classes)
    check_k(k, generator.rank_bound)
    jacobian_fn = default_host().jacobian_fn(generator, space=space, domain=domain)
    first = jacobian_fn(generator.prior.draw(seeds[:1], None if labels is None else labels[:1]))
    check_k(k, min(generator.rank_bound, first.output_dim))
    check_behaves(generator)
    chunk = max(1, min(4096, CHUNK_NUMBERS // (first.input_dim * first.output_dim)))

    spectra = np.empty((n, k), np.float32)
    hashes = np.empty(n, np.int64)
    bar = tqdm(total=n, unit="latent", desc="bank", disable=not progress)
    with bar, exact_arithmetic():
        for start in range(0, n, chunk):
            rows = slice(start, start + chunk)
            latents = generator.prior.draw(seeds[rows], None if labels is None else labels[rows])
            spectrum = top_singular_values(jacobian_fn(latents), k)
            if not _valid(spectrum.log_sigma):
                raise PluginError(
                    f"{generator.plugin}: the Jacobian of seed {seeds[start]} or one of the "
                    f"{len(latents) - 1} after it holds NaN or infinity",
                    "look at that seed's picture; the model may need float32 or other settings",
                )
            if start == 0 and bool((spectrum.log_sigma[:, 0] == -torch.inf).all()):
                raise PluginError(
                    f"{generator.plugin}: the first Jacobians are zero: the output does not depend on the latent",
                    "look for .detach(), inference_mode or a step function in the model",
                )
            spectra[rows] = spectrum.log_sigma.numpy()
            hashes[rows] = latent_hash(latents.z)
            bar.update(len(latents))

    info = BankInfo(
        plugin=generator.plugin,
        plugin_version=generator.version,
        fingerprint=generator.fingerprint,
        prior=generator.prior.name,
        latent_shape=generator.prior.shape,
        num_classes=generator.num_classes,
        domain=domain,
        space=space,
        settings=generator.settings,
        k=k,
        estimator={"name": "exact", "tolerance": 0.0, "error": 0.0},
        dtype=str(generator.dtype).removeprefix("torch."),
        torch=torch.__version__,
        licence=generator.licence,
    )
    tensors: dict[str, np.ndarray] = {"seeds": seeds, "latent_hash": hashes, "log_singular_values": spectra}
    return Bank.of(info, tensors if labels is None else {**tensors, "labels": labels})


def _labels(generator: Generator, n: int, classes: Sequence[int] | None) -> np.ndarray | None:
    """The class of each row, int64 [n]; None for a model without classes."""
    if generator.num_classes is None and classes is None:
        return None
    cycle = np.asarray(range(generator.num_classes or 0) if classes is None else classes, np.int64)
    if not cycle.size:
        raise UsageError("--class: got no class", "name some, or leave it out for all")
    generator.check_label(torch.from_numpy(cycle))
    return np.resize(cycle, n)


def _valid(log_sigma: torch.Tensor) -> bool:
    """Neither NaN nor +inf; -inf is a rank below k."""
    return bool((log_sigma < torch.inf).all())
