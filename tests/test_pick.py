"""`pick`: the law of what is kept of some candidates, what it costs, and what is kept for the next time."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import polarprior as pp
import pytest
import scipy.stats
import torch
from polarprior.errors import PolarPriorError, UsageError
from polarprior.hashing import latent_hash
from polarprior.law.plackett_luce import drawn_order, gumbels
from polarprior.sweeps.candidates import Candidates
from polarprior.sweeps.kept_spectra import KeptSpectra
from polarprior.volume.descriptors import effective_rank, local_rank
from polarprior.volume.estimators import top_singular_values
from scipy.stats import spearmanr
from torch import nn

M, KEEP, REPEATS = 64, 8, 20_000


class Surface(nn.Module):
    """A surface over the plane whose log-volume is known: z to (z1, z2, a z1² / 2), so l = log sqrt(1 + a² z1²)."""

    def forward(self, z):
        return torch.cat([z, 2 * z[:, :1] ** 2], 1)


def log_volume(z):
    return 0.5 * np.log1p(16 * z[:, 0] ** 2)


@pytest.fixture(scope="module")
def surface():
    return pp.wrap(Surface(), latent_dim=2)


@pytest.fixture(scope="module")
def network():
    """K = 200: more than is solved exactly."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        return pp.wrap(nn.Sequential(nn.Linear(200, 300), nn.Tanh(), nn.Linear(300, 250)), latent_dim=200)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POLARPRIOR_CACHE", str(tmp_path / "cache"))


def test_the_law_on_a_surface_that_is_known(surface):
    """64 candidates, 8 kept, 20,000 repetitions on disjoint seeds: the first kept, by chi-square; who is kept at all,
    by a Wald test, against Plackett-Luce with the true log-volumes. A rho wrong by a tenth is told from it."""
    rho, rows = 1.0, M * REPEATS
    z = np.random.default_rng(5).standard_normal((rows, 2)).astype(np.float32)
    volumes = log_volume(z.astype(float)).reshape(REPEATS, M)
    order = np.stack(
        [drawn_order(rho * v, h) for v, h in zip(volumes, latent_hash(z).reshape(REPEATS, M), strict=True)]
    )
    ranks = volumes.argsort(1).argsort(1)  # of each candidate among its 64
    first = np.bincount(ranks[np.arange(REPEATS), order[:, 0]], minlength=M)
    kept = np.zeros((REPEATS, M))
    np.put_along_axis(kept, np.take_along_axis(ranks, order[:, :KEEP], 1), 1.0, 1)
    by_rank = np.sort(volumes, 1)

    def first_law(rho):
        weights = np.exp(rho * by_rank)
        return (weights / weights.sum(1, keepdims=True)).sum(0)

    def included(rho, seed):
        """How often each rank is kept, by an independent way to draw: numpy's choice without replacement."""
        stream, total = np.random.default_rng(seed), np.zeros((REPEATS, M))
        for row, values in zip(total, by_rank, strict=True):
            weights = np.exp(rho * values)
            row[stream.choice(M, KEEP, replace=False, p=weights / weights.sum())] = 1.0
        return total

    def p_first(rho):
        return scipy.stats.chisquare(first, first_law(rho) * first.sum() / first_law(rho).sum()).pvalue

    def p_included(other):
        off = (kept - other).mean(0)[:-1]  # they sum to 8: one is given by the others
        covariance = (np.cov(kept[:, :-1].T) + np.cov(other[:, :-1].T)) / REPEATS
        return scipy.stats.chi2.sf(off @ np.linalg.solve(covariance, off), M - 1)

    assert p_first(rho) > 1e-3
    assert max(p_first(0.9 * rho), p_first(1.1 * rho)) < 1e-3
    assert p_included(included(rho, 1)) > 1e-3
    assert max(p_included(included(factor * rho, 2)) for factor in (0.9, 1.1)) < 1e-3


def test_the_numbers_of_candidates_are_gumbels_and_nobodys_else():
    hashes = np.random.default_rng(0).integers(-(2**63), 2**63, 20_000)
    found = gumbels(hashes)
    assert scipy.stats.kstest(found, "gumbel_r").pvalue > 1e-3
    assert np.array_equal(found[::-1], gumbels(hashes[::-1]))


def test_few_candidates_against_all_orders():
    """The share of each pair of 5 candidates, 2 kept, in closed form."""
    weights, repeats = np.array([1.0, 2.0, 3.0, 4.0, 0.5]), 40_000
    hashes = np.random.default_rng(3).integers(-(2**63), 2**63, (repeats, 5))
    orders = np.stack([drawn_order(np.log(weights), row)[:2] for row in hashes])
    total, seen, expected = weights.sum(), [], []
    for i, j in combinations(range(5), 2):
        seen.append(int(((orders == (i, j)).all(1) | (orders == (j, i)).all(1)).sum()))
        expected.append(weights[i] * weights[j] / total * (1 / (total - weights[i]) + 1 / (total - weights[j])))
    assert scipy.stats.chisquare(seen, repeats * np.array(expected)).pvalue > 1e-3


def test_keeping_fewer_is_the_head_of_keeping_more(surface):
    eight = pp.pick(surface, seeds=range(64), keep=8, rho=0.5, k=2).seeds
    assert pp.pick(surface, seeds=range(64), keep=4, rho=0.5, k=2).seeds == eight[:4]
    assert pp.pick(surface, seeds=list(reversed(range(64))), keep=8, rho=0.5, k=2).seeds == eight
    assert len(set(eight)) == 8


def test_best_keeps_the_extremes(surface):
    volumes = log_volume(surface.prior.draw(range(64)).z.double().numpy())
    for rho, order in ((-1.0, volumes.argsort()), (1.0, (-volumes).argsort())):
        found = pp.pick(surface, keep=8, rho=rho, best=True, k=2)
        assert found.seeds == order[:8].tolist()
    assert np.allclose(found.spectra.log_volume, volumes, atol=1e-5)


def test_a_tilt_is_rho_in_standard_deviations(surface):
    found = pp.pick(surface, tilt=0.5, k=2)
    assert found.rho == pytest.approx(0.5 / found.scores.std())
    assert found.seeds == pp.pick(surface, rho=found.rho, k=2).seeds


def test_what_the_candidates_cannot_carry_is_refused(surface):
    plain = pp.pick(surface, rho=0.1, k=2)
    lower, upper = plain.limits
    assert lower < 0 < upper
    for rho, ok in ((0.999 * upper, True), (1.001 * upper, False), (0.999 * lower, True), (1.001 * lower, False)):
        if ok:
            assert pp.pick(surface, rho=rho, k=2).ess >= 16
            continue
        with pytest.raises(PolarPriorError, match="64 candidates are worth") as raised:
            pp.pick(surface, rho=rho, k=2)
        assert "use rho=" in raised.value.hint
        with pytest.warns(UserWarning, match="64 candidates are worth"):
            assert len(pp.pick(surface, rho=rho, k=2, force=True).seeds) == 8
    with pytest.raises(PolarPriorError, match="tilt: got 9, at which"):
        pp.pick(surface, tilt=9, k=2)
    with pytest.raises(PolarPriorError, match=r"twice the 40"):
        pp.pick(surface, keep=40, rho=0.0, k=2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "rho: got none, and no tilt either"),
        ({"rho": 1.0, "tilt": 1.0}, "tilt: got tilt=1 and rho=1"),
        ({"rho": 1.0, "keep": 65}, "keep: got 65, there are 64 candidates"),
        ({"rho": 1.0, "keep": 0}, "keep: got 0"),
        ({"rho": 1.0, "seeds": [1, 2, 1], "keep": 1}, "seeds: a candidate stands there twice"),
        ({"rho": 1.0, "by": "taste"}, "by: got 'taste', expected log-volume"),
        ({"rho": 1.0, "k": 3}, "k: got 3"),
        ({"rho": 1.0, "label": 3}, "label: .* has no classes"),
        ({"rho": float("nan")}, "rho: got nan"),
        ({"rhoo": 1.0}, "rhoo: no such option"),
    ],
)
def test_bad_input(surface, given, said):
    with pytest.raises(UsageError, match=said):
        pp.pick(surface, **given)


def test_few_passes_are_enough_and_the_next_time_none_are_taken(network, monkeypatch):
    """Sixteen candidates at k = 30: at most 130 passes each, all counted, ranked as by exact log-volumes."""
    counted = {"jvp": 0, "vjp": 0}

    def counting(latents):
        found = pp.jacobian_fn(network)(latents)

        def count(name):
            product = getattr(found, name)

            def call(directions):
                counted[name] += len(directions) * directions.shape[-1]
                return product(directions)

            return call

        return type(found)(**{**vars(found), "jvp": count("jvp"), "vjp": count("vjp")})

    latents = network.prior.draw(range(16))
    found = Candidates(network, counting, "pixel", 30, None)(latents)
    assert (found.estimator, found.solved) == ("sketch", 16)
    assert counted["jvp"] + counted["vjp"] == found.passes <= 130 * 16
    exact = top_singular_values(pp.jacobian_fn(network)(latents), 30).log_volume.numpy()
    assert spearmanr(found.log_volume, exact).statistic > 0.95
    assert np.abs(found.log_volume - exact).max() < 1.2
    again = Candidates(network, counting, "pixel", 30, None)(latents)
    assert (again.solved, again.passes) == (0, found.passes)
    assert np.array_equal(again.log_volume, found.log_volume)
    assert counted["jvp"] + counted["vjp"] == found.passes


def test_where_a_sketch_is_too_rough_all_are_solved_closely(network):
    jacobian_fn = pp.jacobian_fn(network)
    latents = network.prior.draw(range(12))
    found = Candidates(network, jacobian_fn, "pixel", 20, 1e-9)(latents)
    assert found.estimator == "block-lanczos"
    exact = top_singular_values(jacobian_fn(latents), 20).log_volume.numpy()
    assert np.abs(found.log_volume - exact).max() < 0.1
    few = Candidates(network, jacobian_fn, "pixel", 20, None)(latents[:4])
    assert few.estimator == "block-lanczos"


def test_the_same_command_gives_the_same_bytes(network, tmp_path):
    for out in ("one", "other"):
        pictures = pp.wrap(nn.Sequential(network.network, nn.Unflatten(1, (1, 10, 25))), latent_dim=200)
        pp.pick(pictures, seeds=range(20), keep=3, tilt=0.5, k=20).save(tmp_path / out)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "pick.json" in names
    assert len(names) == 5
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    said = json.loads((tmp_path / "one/pick.json").read_text())
    assert len(said["log_volumes"]) == len(said["candidates"]) == 20
    assert [each["seed"] for each in said["kept"]] == pp.pick(pictures, seeds=range(20), keep=3, tilt=0.5, k=20).seeds


def test_kept_spectra_that_are_damaged_are_taken_anew(network, tmp_path):
    first = pp.pick(network, seeds=range(16), keep=2, tilt=0.5, k=20)
    (file,) = (tmp_path / "cache").glob("spectra-*.safetensors")
    whole = file.read_bytes()
    for content in (b"", whole[:100], whole.replace(b"sketch", b"fetchs")):
        file.write_bytes(content)
        again = pp.pick(network, seeds=range(16), keep=2, tilt=0.5, k=20)
        assert again.spectra.solved >= 16
        assert again.seeds == first.seeds


def test_what_two_processes_keep_at_once_is_all_kept(surface):
    first, second = (KeptSpectra(surface, "pixel", 2) for _ in range(2))
    first.put("exact", [(1, -1)], np.ones((1, 2)), 2)
    second.put("exact", [(2, -1)], np.zeros((1, 2)), 2)
    found = KeptSpectra(surface, "pixel", 2)
    assert [found.get("exact", (key, -1)).tolist() for key in (1, 2)] == [[1, 1], [0, 0]]


def test_other_scores(network):
    spectra = pp.pick(network, seeds=range(16), keep=2, tilt=0.5, k=20).spectra.log_sigma
    sigma = np.exp(spectra)
    assert np.array_equal(local_rank(spectra, 0.5), (sigma >= 0.5 * sigma[:, :1]).sum(1))
    shares = sigma / sigma.sum(1, keepdims=True)
    assert np.allclose(effective_rank(spectra), np.exp(scipy.stats.entropy(shares, axis=1)))
    found = pp.pick(network, seeds=range(16), keep=2, tilt=0.5, k=20, by="effective-rank")
    assert np.allclose(found.scores, effective_rank(spectra))
    assert effective_rank(np.array([[0.0, -np.inf, -np.inf]])) == pytest.approx(1.0)


def test_a_latent_without_k_singular_values_is_never_kept():
    class Kinked(nn.Module):
        def forward(self, z):
            return torch.cat([z[:, :1], z[:, 1:].relu()], 1)

    generator = pp.wrap(Kinked(), latent_dim=2)
    dead = generator.prior.draw(range(64)).z[:, 1] <= 0
    found = pp.pick(generator, keep=8, rho=0.3, k=2)
    assert not dead[found.seeds].any()
    with pytest.raises(PolarPriorError, match="candidates have 2 nonzero singular values"):
        pp.pick(generator, keep=60, rho=0.3, k=2, force=True)


def test_score_writes_ranks(capsys):
    """A row of the bank has the ranks of its spectrum there, another seed those of its own."""
    from polarprior.cli.main import main

    assert (
        main(
            ["score", "dcgan-faces", "--seeds", "0,4000000000", "--with", "local-rank,effective-rank", "--device=cpu"]
        )
        == 0
    )
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == "seed,class,log_volume,quantile,local_rank,effective_rank"
    generator = pp.load("dcgan-faces", "cpu")
    bank = pp.Bank.open(generator.default_bank)
    latents = generator.prior.draw([0, 4_000_000_000])
    spectra = top_singular_values(pp.jacobian_fn(generator)(latents), bank.info.k).log_sigma.numpy()
    for line, local, effective in zip(lines, local_rank(spectra), effective_rank(spectra), strict=True):
        values = [float(cell) for cell in line.split(",")[-2:]]
        assert values == pytest.approx([local, effective], abs=2e-3)
    assert main(["score", "dcgan-faces", "--seeds", "0", "--with", "taste"]) == 2
    assert "--with: got 'taste'" in capsys.readouterr().err
