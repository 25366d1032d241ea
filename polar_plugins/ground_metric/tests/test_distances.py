"""Transport against POT, matrices, and the gradient against finite differences, in float64."""

from __future__ import annotations

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from polarprior.plugin import UsageError, entropic_transport, transport_distance
from polarprior_ground_metric.distances import Tally, all_pairs, debiased, ground_costs, moments, solve
from polarprior_ground_metric.learning import Objective, Triplets, neighbours, value_and_gradient
from polarprior_ground_metric.levels import Levels, factor, positive_part
from polarprior_ground_metric.signatures import Signatures
from scipy.special import entr

SIZES = (5, 3, 4, 1, 6, 2)


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def signatures(sizes=SIZES, dim=3, seed=0):
    stream = noise(seed)
    draw = {"generator": stream, "dtype": torch.float64}
    return Signatures.of([(torch.randn(size, dim, **draw), torch.rand(size, **draw) + 0.1) for size in sizes])


def alone(given, row):
    """Points and weights of one, without what fills it up."""
    kept = given.weights[row] > 0
    return given.points[row][kept], given.weights[row][kept]


def semidefinite(dim, seed=0, rank=None):
    root = torch.randn(rank or dim, dim, generator=noise(seed), dtype=torch.float64)
    return root.T @ root / dim


def test_transport_is_that_of_pot():
    """Plans and values of sets of all sizes, against the log-domain Sinkhorn of POT."""
    p, q = signatures(), signatures(SIZES[::-1], seed=1)
    gamma = 0.3
    found = solve(p, q, gamma, tolerance=1e-10)
    for row in range(len(p)):
        (points, a), (others, b) = alone(p, row), alone(q, row)
        cost = torch.cdist(points, others).square().numpy()
        plan = ot.sinkhorn(a.numpy(), b.numpy(), cost, gamma, method="sinkhorn_log", stopThr=1e-13, numItermax=20000)
        np.testing.assert_allclose(found.plan[row, : len(a), : len(b)], plan, atol=1e-7)
        assert float(found.value[row]) == pytest.approx(
            (cost * plan).sum() + gamma * (plan * np.log(plan)).sum(), abs=1e-6
        )
        assert float(found.plan[row].sum()) == pytest.approx(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_problems_that_scalings_leave_open(monkeypatch, dtype):
    """Points that a learnt metric has moved far apart: solved by Newton's method, and reported without it."""
    given = signatures((12,) * 60, dim=4)
    far = Signatures(given.points * torch.tensor([3.0, 0.3, 0.1, 3.0]), given.weights)
    p, q = (
        Signatures(far.points[rows].to(dtype), far.weights[rows].to(dtype)) for rows in (slice(30), slice(30, 60))
    )
    gamma = 0.02 * float(ground_costs(p, q).mean())
    found = solve(p, q, gamma)
    assert bool(found.converged.all())
    for row in range(4):
        cost, a, b = (each[row].double().numpy() for each in (ground_costs(p, q), p.weights, q.weights))
        limits = {"method": "sinkhorn_log", "stopThr": 1e-6, "numItermax": 20_000}
        plan = ot.sinkhorn(a / a.sum(), b / b.sum(), cost, gamma, **limits)
        expected = (cost * plan).sum() - gamma * entr(plan).sum()
        assert float(found.value[row]) == pytest.approx(expected, rel=1e-3)
    monkeypatch.setattr("polarprior.metrics.transport.NEWTON_STEPS", 0)
    alone = solve(p, q, gamma)
    assert 0 < int(alone.converged.sum()) < len(p)
    assert torch.equal(alone.converged, alone.error <= 1e-3)


def test_problems_that_miss_their_tolerance_are_counted(monkeypatch):
    monkeypatch.setattr("polarprior.metrics.transport.NEWTON_STEPS", 0)
    monkeypatch.setattr("polarprior.metrics.transport.SCALINGS", 0)
    p, q = signatures(), signatures(seed=1)

    def solved():
        with Tally() as tally:
            solve(p, p, 0.3)
            with Tally() as inner:
                solve(p, q, 0.3)
        return tally, inner

    with pytest.warns(UserWarning, match="transport: 8 of 12 problems could not be solved") as warned:
        tally, inner = solved()
    assert (tally.problems, tally.missed, inner.problems) == (12, 8, 0)
    assert [each.filename for each in warned] == [__file__]


def test_little_entropy_is_exact_transport():
    p, q = signatures((6,)), signatures((5,), seed=1)
    exact = ot.emd2(p.weights[0].numpy(), q.weights[0].numpy(), ground_costs(p, q)[0].numpy())
    found = solve(p, q, 1e-3, tolerance=1e-8)
    assert float((found.plan * ground_costs(p, q)).sum()) == pytest.approx(exact, abs=1e-3)


def test_scalings_that_overflow_go_on_in_logarithms():
    """Nearly all weight on one side, far away: in float32 ten scalings are too many."""
    weights = torch.tensor([[1 - 1e-4, 1e-4]])
    cost = torch.tensor([[[0.0, 150.0], [150.0, 0.0]]])
    found = entropic_transport(cost, weights, weights.flip(1), 1.0, tolerance=1e-6)
    assert float(found.error) < 1e-5
    moved = 1 - 2e-4
    kept = [1e-4, 1e-4, moved]
    expected = 150 * moved + sum(each * np.log(each) for each in kept)
    assert float(found.value) == pytest.approx(expected, rel=1e-4)


def test_duals_of_before_are_a_start():
    p, q = signatures(), signatures(seed=1)
    cost = ground_costs(p, q)
    first = entropic_transport(cost, p.weights, q.weights, 0.2, tolerance=1e-9)
    again = entropic_transport(cost, p.weights, q.weights, 0.2, columns=first.columns, tolerance=1e-7)
    assert float(again.error.max()) < 1e-7
    torch.testing.assert_close(again.value, first.value)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**20), st.floats(1, 4))
def test_the_debiased_distance_is_one(seed, gamma):
    """0 between a signature and itself, symmetric, never below 0."""
    p, q = signatures(seed=seed), signatures(seed=seed + 1)
    assert float(debiased(p, p, gamma).abs().max()) < 1e-9
    torch.testing.assert_close(debiased(p, q, gamma), debiased(q, p, gamma), atol=1e-4, rtol=0)
    assert float(debiased(p, q, gamma).min()) > -1e-5


def test_all_pairs_are_pairs():
    p, q = signatures(), signatures((2, 4), seed=1)
    found = all_pairs(p, q, 0.3, tolerance=1e-9)
    assert found.shape == (6, 2)
    for column in range(2):
        torch.testing.assert_close(found[:, column], solve(p, q[[column] * 6], 0.3, tolerance=1e-9).value)
    torch.testing.assert_close(all_pairs(p, p, 0.3, 1e-9), all_pairs(p, signatures(), 0.3, 1e-9))


def test_the_distance_of_two_sets_of_features():
    a, b = (torch.randn(60, 4, generator=noise(seed)) for seed in (0, 1))
    assert transport_distance(a, a) == pytest.approx(0, abs=1e-9)
    assert transport_distance(a, a[torch.randperm(60, generator=noise())]) == pytest.approx(0, abs=1e-3)
    moved = transport_distance(a, a + 3)
    assert moved == pytest.approx(4 * 9, rel=1e-3), "a shift costs its square"
    assert 0 < transport_distance(a, b) < moved
    many = a.repeat_interleave(20, 0)
    assert transport_distance(many, a) == pytest.approx(0, abs=0.05), "of more, some stand for all"
    with pytest.raises(UsageError, match="rows"):
        transport_distance(a, b[:1])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**20), st.integers(1, 5))
def test_a_factor_gives_its_matrix_back(seed, rank):
    matrix = semidefinite(5, seed, rank)
    linear = factor(matrix)
    assert linear.shape == (rank, 5)
    torch.testing.assert_close(linear.T @ linear, matrix)
    torch.testing.assert_close(positive_part(matrix), matrix)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**20), st.sampled_from([8, 16, 32]))
def test_rounding_raises_no_rank(seed, dim):
    """In float32, after the negative eigenvalues of a random symmetric matrix are gone."""
    matrix = torch.randn(dim, dim, generator=noise(seed))
    matrix = matrix + matrix.T
    rank = int((torch.linalg.eigvalsh(matrix.double()) > 1e-4).sum())
    linear = factor(positive_part(matrix))
    assert linear.dtype == torch.float32
    assert linear.shape == (rank, dim)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**20))
def test_the_positive_part_is_the_nearest(seed):
    """Symmetric, without negative eigenvalues, and what is taken away is orthogonal to what is left (Moreau)."""
    matrix = torch.randn(4, 4, generator=noise(seed), dtype=torch.float64)
    matrix = matrix + matrix.T
    found = positive_part(matrix)
    assert torch.equal(found, found.T) or float((found - found.T).abs().max()) < 1e-12
    assert float(torch.linalg.eigvalsh(found).min()) > -1e-9
    assert float((found * (found - matrix)).sum()) == pytest.approx(0, abs=1e-9)
    assert float(torch.linalg.eigvalsh(found - matrix).min()) > -1e-9


def test_moments_are_the_sum_as_it_is_written():
    p, q = signatures(), signatures(SIZES[::-1], seed=1)
    plan, shares = solve(p, q, 0.3).plan, torch.tensor([1.0, -2, 0, 0.5, 3, 1], dtype=torch.float64)
    away = p.points[:, :, None] - q.points[:, None]
    written = torch.einsum("b,bij,bijk,bijl->kl", shares, plan, away, away)
    torch.testing.assert_close(moments(p, q, plan, shares), written)


@pytest.mark.parametrize("share", [0.05, 0.5])
@pytest.mark.parametrize("rho_t", [None, 0.7])
def test_the_gradient_is_that_of_finite_differences(rho_t, share):
    """In the shared matrix and in each class's, at the entropy's weight that learning has by default and at a larger
    one; hinges on both sides of their corner."""
    given, classes = signatures((3, 4, 2, 5, 3, 4, 2, 3)), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    own = torch.stack([semidefinite(3, 5, 2), semidefinite(3, 6)])
    levels = Levels(semidefinite(3, 4), own if rho_t else torch.zeros_like(own))
    gamma = share * float(ground_costs(given, given[[1, 2, 3, 4, 5, 6, 7, 0]]).mean())
    objective = Objective(0.4, 0.3, rho_t, gamma)
    between = all_pairs(given, given, gamma)
    triplets = neighbours(between, classes, 2, 3)

    def step(at):
        return value_and_gradient(given, classes, triplets, at, objective, tolerance=1e-11)

    found = step(levels)
    ways = torch.randn(3, 3, 3, generator=noise(9), dtype=torch.float64)
    ways = (ways + ways.mT) / 2
    for which in range(3 if rho_t else 1):
        values = []
        for h in (1e-5, -1e-5):
            shared, own = levels.shared.clone(), levels.own.clone()
            (shared if which == 0 else own[which - 1]).add_(h * ways[which])
            values.append(step(Levels(shared, own)).value)
        gradient = found.gradient.shared if which == 0 else found.gradient.own[which - 1]
        written = float((gradient * ways[which]).sum())
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(written, rel=1e-4)
    if rho_t is None:
        assert not bool(found.gradient.own.any())


def test_neighbours_are_the_nearest_of_each_kind():
    distances = torch.tensor([[0.0, 3, 1, 2], [3, 0, 2, 1], [1, 2, 0, 5], [2, 1, 5, 0]])
    found = neighbours(distances, torch.tensor([0, 0, 1, 1]), 1, 2)
    assert isinstance(found, Triplets)
    assert found.targets.tolist() == [[1], [0], [3], [2]]
    assert found.impostors.tolist() == [[2, 3], [3, 2], [0, 1], [1, 0]]
