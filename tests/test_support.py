"""Where a polarity prior may put its mass: bounds, and what lies within, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from polarprior.errors import UsageError
from polarprior.law.support import Support, support_named

THOUSAND = np.arange(1001.0)


def none_asked():
    raise AssertionError("lengths were asked for")


def test_a_clamp_ends_log_volumes_on_both_sides_at_quantiles_of_the_bank():
    shuffled = np.random.default_rng(0).permutation(np.append(THOUSAND, [-np.inf] * 50))
    clamp = support_named("clamp", shuffled, none_asked)
    assert (clamp.low, clamp.high) == (5.0, 995.0), "half a percent a side, of the rows that have a volume"
    seen = clamp.clamped(np.array([-10.0, 5.0, 500.0, 1e9, -np.inf]))
    assert seen.tolist() == [5.0, 5.0, 500.0, 995.0, -np.inf]
    assert clamp.contains(np.array([[1e9]])).all()
    assert str(clamp) == "clamp (l 5 to 995)"


def test_a_shell_leaves_out_what_is_shorter_or_longer():
    shell = support_named("shell", np.empty(0), lambda: THOUSAND[::-1, None])
    assert (shell.low, shell.high) == (5.0, 995.0)
    assert shell.contains(np.array([[4.9], [5.0], [500.0], [995.0], [995.1]])).tolist() == [0, 1, 1, 1, 0]
    assert shell.clamped(np.array([-1e9, 1e9])).tolist() == [-1e9, 1e9]


def test_a_shell_of_two_lengths_holds_each_more_loosely():
    shell = support_named("shell", np.empty(0), lambda: np.stack([THOUSAND, 2 * THOUSAND], 1))
    assert shell == Support("shell", (2.5, 5.0), (997.5, 1995.0))
    inside = shell.contains(np.array([[2.5, 1995], [2.4, 500], [500, 4.9], [998, 500], [500, 1996]]))
    assert inside.tolist() == [1, 0, 0, 0, 0]


def test_the_prior_and_what_does_not_vary_leave_out_nothing():
    for support in (
        support_named("prior", THOUSAND, none_asked),
        support_named("clamp", np.full(9, 3.0), none_asked),
        support_named("shell", THOUSAND, lambda: np.full((9, 1), 11.3)),
        support_named("shell", THOUSAND, lambda: np.empty((9, 0))),
    ):
        assert not support.bounded
        assert support.clamped(THOUSAND).tolist() == THOUSAND.tolist()
        assert support.contains(np.array([[0.0], [1e9]])).all()
    with pytest.raises(UsageError, match="got 'shel', expected one of prior, shell, clamp"):
        support_named("shel", THOUSAND, none_asked)
