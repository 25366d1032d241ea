"""Is this bank what it says it is?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polarprior.bank.bank import Bank
from polarprior.errors import BankError
from polarprior.hashing import latent_hash
from polarprior.volume.arithmetic import exact_arithmetic
from polarprior.volume.estimators import top_singular_values

if TYPE_CHECKING:
    from polarprior.generator import Generator
    from polarprior.jacobian.of_generator import JacobianOf

REPEAT_TOLERANCE = 1e-3
"""Largest difference in a log singular value between machines that still counts as the same, nats."""


@dataclass(frozen=True)
class Verification:
    """What was checked, and what was found.

    Attributes:
        rows: rows of the bank, all of them checked for digest, order, finiteness and duplicates.
        rank_deficient: rows with less than k nonzero singular values.
        recomputed: rows whose spectrum was taken anew.
        largest_error: largest difference among those, nats: in a log singular value of an exact bank, else in a
            log-volume, less the offset that the bank states; None without a model.
    """

    rows: int
    rank_deficient: int
    recomputed: int
    largest_error: float | None


def verified(
    bank: Bank, generator: Generator | None = None, jacobian_of: JacobianOf | None = None, sample: int = 8
) -> Verification:
    """Check a bank; see `polarprior.verify`. A `generator` comes with the `jacobian_of` that takes its Jacobians."""
    bank.check()
    labels = bank.labels
    keys = bank.seeds if labels is None else np.stack([bank.seeds, labels], 1)
    if len(np.unique(keys, axis=0)) < len(bank):
        raise _failed("two rows have the same seed")
    deficient = int((~np.isfinite(bank.log_volume())).sum())
    if generator is None or jacobian_of is None:
        return Verification(len(bank), deficient, 0, None)
    stream = np.random.default_rng(int(bank.info.digest, 16))
    rows = np.sort(stream.choice(len(bank), min(sample, len(bank)), replace=False))
    return Verification(len(bank), deficient, len(rows), _recompute(bank, generator, jacobian_of, rows))


def _recompute(bank: Bank, generator: Generator, jacobian_of: JacobianOf, rows: np.ndarray) -> float:
    """Largest difference between the bank's `rows` and the model's own, see `Verification.largest_error`."""
    bank.check_fits(generator)
    latents = generator.prior.draw(bank.seeds[rows], None if bank.labels is None else bank.labels[rows])
    if (latent_hash(latents.z) != bank.latent_hash[rows]).any():
        raise _failed("the model's latents for its seeds are others: the hashes differ")
    jacobian_fn = jacobian_of(generator, bank.info.space, bank.info.domain)
    with exact_arithmetic():
        spectrum = top_singular_values(jacobian_fn(latents), bank.info.k).log_sigma.numpy()
    stored = np.concatenate([bank.columns(row, row + 1)["log_singular_values"] for row in rows.tolist()])
    stored = stored.astype(np.float64)
    both_zero = np.isneginf(spectrum) & np.isneginf(stored)
    difference = np.where(both_zero, 0.0, spectrum - np.where(both_zero, 0.0, stored))
    estimator = bank.info.estimator
    if estimator.get("name") == "exact":
        what, error, expected = "a log singular value", float(np.abs(difference).max()), REPEAT_TOLERANCE
    else:  # as its audit says; of so few rows one may be a little worse
        what, error = "a log-volume", float(np.abs(difference.sum(1) + estimator.get("offset", 0.0)).max())
        expected = REPEAT_TOLERANCE + 2 * estimator.get("error", 0.0)
    if not error <= expected:
        raise _failed(f"{what} differs by {error:.3g} nats from the model's, at most {expected:.3g} expected")
    return error


def _failed(what: str) -> BankError:
    return BankError(f"bank: {what}", "don't use it: fetch it again, or build it again")
