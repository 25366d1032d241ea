"""The tilt: rho in standard deviations of the log-volume of the rows that are drawn from."""

from __future__ import annotations

import numpy as np
import pytest
from polarprior import Bank
from polarprior.errors import BankError, UsageError
from polarprior.law.tilt import rho_at
from toys import toy_bank

ROWS = 900


def bank_of(log_volume, labels=None):
    """A bank of one singular value, with these log-volumes."""
    bank = toy_bank(len(log_volume), 1.0, 1, None if labels is None else int(labels.max()) + 1)
    columns = {**bank.columns(), "log_singular_values": log_volume[:, None].astype(np.float32)}
    return Bank.of(bank.info, columns if labels is None else {**columns, "labels": labels})


@pytest.fixture(scope="module")
def log_volume():
    return np.random.default_rng(0).normal(60, 7, ROWS)


def test_a_tilt_is_in_standard_deviations(log_volume):
    for tilt in (-0.5, 2.0):
        assert rho_at(0.0, tilt, bank_of(log_volume), 1) == pytest.approx(tilt / log_volume.std(), rel=1e-5)
    assert rho_at(0.3, None, bank_of(log_volume), 1) == 0.3
    assert rho_at(0.0, 0.0, bank_of(log_volume), 1) == 0.0


def test_rows_without_a_volume_have_no_part_in_it(log_volume):
    volumes = log_volume.copy()
    volumes[::3] = -np.inf
    expected = 0.5 / np.delete(log_volume, np.s_[::3]).std()
    assert rho_at(0.0, 0.5, bank_of(volumes), 1) == pytest.approx(expected, rel=1e-5)


def test_a_class_has_a_tilt_of_its_own(log_volume):
    labels = (np.arange(ROWS) % 3 == 0).astype(np.int64)
    volumes = np.where(labels == 1, 3 * log_volume, log_volume)
    bank = bank_of(volumes, labels)
    for label in (0, 1):
        expected = 0.5 / volumes[labels == label].std()
        assert rho_at(0.0, 0.5, bank, 1, label) == pytest.approx(expected, rel=1e-5)


def test_classes_of_a_joint_law_weigh_the_same(log_volume):
    """However many rows they have: the deviation is that of a mixture of two halves."""
    labels = (np.arange(ROWS) < 100).astype(np.int64)
    volumes = log_volume + 40 * labels
    parts = [volumes[labels == label] for label in (0, 1)]
    mean = sum(part.mean() for part in parts) / 2
    std = (sum(((part - mean) ** 2).mean() for part in parts) / 2) ** 0.5
    bank = bank_of(volumes, labels)
    assert rho_at(0.0, 0.5, bank, 1, None, joint=True) == pytest.approx(0.5 / std, rel=1e-5)
    assert rho_at(0.0, 0.5, bank, 1, None) == pytest.approx(0.5 / volumes.std(), rel=1e-5)


def test_what_has_no_tilt(log_volume):
    with pytest.raises(BankError, match="is the same in all of its 900 rows"):
        rho_at(0.0, 0.5, bank_of(np.full(ROWS, 60.0)), 1)
    with pytest.raises(BankError, match="in all of its 0 rows"):
        rho_at(0.0, 0.5, bank_of(np.full(ROWS, -np.inf)), 1)
    with pytest.raises(UsageError):
        rho_at(0.1, 0.5, bank_of(log_volume), 1)
