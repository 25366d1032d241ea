"""A law as it is resolved on rows of a bank: what they weigh, and what any other latent weighs, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from polarprior.law.law import resolve
from polarprior.law.rows import Rows

VOLUMES = np.random.default_rng(0).normal(50, 6, 2000)
OTHERS = np.array([-500.0, 45.0, 50.0, 61.0, 500.0, -np.inf])
RHO = 0.05


def rows(volumes=VOLUMES, lengths=None, statistics=None, labels=None):
    def no_lengths():
        return np.empty((len(volumes), 0)) if lengths is None else lengths

    return Rows(None, volumes, no_lengths, lambda: (["s"], statistics), labels)


def softmax(tilt):
    weights = np.exp(tilt - tilt.max())
    return weights / weights.sum()


def relative(log_weight):
    """Less that of the third of `OTHERS`: a law's weights are known up to a constant."""
    return log_weight - log_weight[2]


def test_the_polarity_prior_itself():
    law = resolve(RHO, 5, rows())
    np.testing.assert_allclose(law.weights.values, softmax(RHO * VOLUMES))
    assert law.inside.all()
    np.testing.assert_allclose(relative(law.log_weight(OTHERS)), RHO * (OTHERS - 50.0))
    assert resolve(0.0, 5, rows()).log_weight(OTHERS).tolist() == [0.0] * 6, "no latent is left out without polarity"


def test_clamped_log_volumes():
    law = resolve(RHO, 5, rows(), support="clamp")
    low, high = np.quantile(VOLUMES, [0.005, 0.995])
    np.testing.assert_allclose(law.weights.values, softmax(RHO * VOLUMES.clip(low, high)))
    np.testing.assert_allclose(
        relative(law.log_weight(OTHERS)), RHO * (np.array([low, 45.0, 50.0, 61.0, high, -np.inf]) - 50.0)
    )
    assert 45 > low > -500
    assert 61 < high < 500


def test_a_shell_leaves_out_rows():
    lengths = np.random.default_rng(1).normal(20, 1, (2000, 1))
    law = resolve(RHO, 5, rows(lengths=lengths), support="shell")
    low, high = np.quantile(lengths, [0.005, 0.995])
    inside = ((lengths >= low) & (lengths <= high))[:, 0]
    assert law.inside.tolist() == inside.tolist()
    assert (~inside).sum() == 20
    np.testing.assert_allclose(law.weights.values, softmax(RHO * VOLUMES[inside]))
    np.testing.assert_allclose(relative(law.log_weight(OTHERS)), RHO * (OTHERS - 50.0))


def test_a_held_statistic_keeps_its_mean_and_spread():
    statistic = (VOLUMES + np.random.default_rng(2).normal(0, 6, 2000))[:, None]
    law = resolve(RHO, 5, rows(statistics=statistic), held=1)
    mean = law.weights.values @ statistic[:, 0]
    assert mean == pytest.approx(statistic.mean(), abs=1e-3)
    assert law.weights.values @ (statistic[:, 0] - mean) ** 2 == pytest.approx(statistic.var(), rel=1e-3)
    assert softmax(RHO * VOLUMES) @ statistic[:, 0] > statistic.mean() + 1, "without it the mean moves"
    np.testing.assert_allclose(softmax(law.log_weight(VOLUMES, statistic)), law.weights.values, rtol=1e-9)
    assert not np.allclose(softmax(law.log_weight(VOLUMES)), law.weights.values)


def test_unequal_classes_count_the_same():
    labels = (np.arange(2000) >= 500).astype(np.int64)
    law = resolve(RHO, 5, rows(labels=labels))
    shares = np.where(labels == 0, 1 / (2 * 500), 1 / (2 * 1500))
    np.testing.assert_allclose(law.weights.values, softmax(RHO * VOLUMES + np.log(shares)))
    np.testing.assert_allclose(resolve(0.0, 5, rows(labels=labels)).weights.values, shares)


def test_rows_without_a_volume_weigh_nothing():
    volumes = VOLUMES.copy()
    volumes[::10] = -np.inf
    law = resolve(RHO, 5, rows(volumes))
    assert law.weights.values[::10].tolist() == [0.0] * 200
    assert law.weights.values.sum() == pytest.approx(1)
