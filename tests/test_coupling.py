"""The coupled draw: exact law, as many latents kept as can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polarprior.hashing import uniforms
from polarprior.law.weights import polarity_weights
from polarprior.samplers.coupling import MaximalCoupling
from scipy.stats import chisquare
from toys import philox

ROWS, TRIALS = 40, 200_000


@pytest.fixture(scope="module")
def log_volume():
    return np.random.default_rng(5).normal(60, 7.5, ROWS)


@pytest.fixture(scope="module")
def u():
    """The uniform numbers of latents with random hashes."""
    hashes = np.random.default_rng(6).integers(-(2**63), 2**63, TRIALS)
    return uniforms(hashes, 2)


@pytest.mark.parametrize("rho", [0.001, -0.1, 0.1])
def test_rows_that_come_in_uniformly_go_out_with_the_law(log_volume, u, rho):
    weights = np.exp(polarity_weights(log_volume, rho).log)
    own = np.arange(TRIALS) % ROWS
    drawn = MaximalCoupling(weights).rows(own, u)
    assert chisquare(np.bincount(drawn, minlength=ROWS), TRIALS * weights).pvalue > 1e-4
    # Exactly the overlap of the two laws stays, to four standard errors.
    overlap = np.minimum(weights, 1 / ROWS).sum()
    assert abs((drawn == own).mean() - overlap) < 4 * np.sqrt(overlap * (1 - overlap) / TRIALS)


@pytest.mark.parametrize("rho", [-0.1, 0.1])
def test_latents_that_are_no_rows_are_drawn_with_the_law(log_volume, u, rho):
    weights = np.exp(polarity_weights(log_volume, rho).log)
    drawn = MaximalCoupling(weights).rows(np.full(TRIALS, -1), u)
    assert chisquare(np.bincount(drawn, minlength=ROWS), TRIALS * weights).pvalue > 1e-4


def test_the_chi_square_test_has_power(log_volume, u):
    weights, wrong = (np.exp(polarity_weights(log_volume, rho).log) for rho in (0.1, 0.105))
    drawn = MaximalCoupling(wrong).rows(np.arange(TRIALS) % ROWS, u)
    assert chisquare(np.bincount(drawn, minlength=ROWS), TRIALS * weights).pvalue < 1e-4


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20),
    st.sampled_from([-1e3, -1.0, 0.0, 1e-3, 1.0, 1e3]),
    st.integers(0, 2**62),
)
def test_any_weights_give_a_row_of_positive_weight(log_volume, rho, key):
    weights = np.exp(polarity_weights(np.array(log_volume), rho).log)
    u = uniforms(np.array([key, -key]), 2)
    for own in ([-1, -1], [0, len(log_volume) - 1]):
        drawn = MaximalCoupling(weights).rows(np.array(own), u)
        assert (weights[drawn] > 0).all()


def test_at_rho_0_everything_stays():
    """Whatever the rounding of N w says, up to the largest u there is."""
    for rows in range(1, 400):
        weights = np.exp(polarity_weights(np.arange(float(rows)), 0.0).log)
        own = np.arange(rows)
        assert (MaximalCoupling(weights).rows(own, np.full((rows, 2), 1 - 2.0**-53)) == own).all()


def test_uniforms_are_pinned():
    """Banks and launchers of different numpy versions must agree for good: the first two numbers of the
    Philox-4x64-10 stream of key 0 and -1, counter 1, from the reference implementation's rounds in Python."""
    for key in (0, -1, 12345):
        expected = [(word >> 11) * 2.0**-53 for word in philox((key % 2**64, 0), 1)[:2]]
        assert uniforms(np.array([key]), 2)[0].tolist() == expected
