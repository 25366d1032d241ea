"""Building with estimators: what a bank says about its own error is what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior import verify
from polarprior.building import deciding
from polarprior.errors import BankError, UsageError
from polarprior.volume import spectra
from polarprior.volume.audit import audit, audited_rows
from polarprior.volume.calibration import Calibration
from polarprior.volume.estimators import default_estimator
from scipy.stats import spearmanr
from torch import nn

K = 60


@pytest.fixture(scope="module")
def generator():
    """K = 60, its singular values falling by a factor of a hundred."""
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        first, second = nn.Linear(K, K), nn.Linear(K, 80)
    with torch.no_grad():
        first.weight.copy_(torch.linalg.qr(first.weight)[0] * torch.logspace(0.5, -1.5, K))
    return pp.wrap(nn.Sequential(first, nn.Tanh(), second), latent_dim=K)


@pytest.fixture(scope="module")
def exact(generator):
    return pp.build_bank(generator, 310, k=5)


def test_auto_writes_what_it_chose_and_pays_for_itself(generator):
    few = pp.build_bank(generator, 500, k=5, estimator="auto", tol=0.2).info.estimator
    assert (few["name"], few["chosen_by"]) == ("exact", "auto")
    assert "calibrated_on" not in few, "calibrating would have cost more than solving all of them"
    many = pp.build_bank(generator, 501, k=5, estimator="auto", tol=0.2).info.estimator
    assert (many["chosen_by"], many["calibrated_on"]) == ("auto", 200)
    assert many[f"calibrated_error_{many['name']}"] <= 0.2


@pytest.mark.parametrize("estimator", ["tangent-only", "balanced", "block-lanczos"])
def test_a_bank_states_its_error_and_keeps_to_it(generator, exact, estimator, tmp_path):
    bank = pp.build_bank(generator, 310, k=5, estimator=estimator, tol=0.2)
    stated = bank.info.estimator
    assert stated["audited"] == 300
    assert stated["tolerance"] == 0.2
    errors = np.abs(bank.log_volume() - exact.log_volume() - stated["offset"])
    rows = audited_rows(310)
    assert errors[rows].max() == pytest.approx(stated["error"], abs=1e-4)
    assert stated["holds"] is (stated["error"] <= 0.2)
    if stated["holds"]:
        assert "error below 0.2 nats for at least 99% of latents, with 95% confidence" in bank.info.accuracy()
        assert (errors <= 0.2).mean() >= 0.99
    assert "chosen_by" not in stated
    found = verify(bank, generator)
    assert found.recomputed == 8
    assert found.largest_error <= 2 * stated["error"] + 1e-3
    bank.save(tmp_path / "bank")
    assert pp.Bank.open(tmp_path / "bank").info == bank.info


def test_the_same_command_gives_the_same_bank(generator):
    for estimator in ("balanced", "block-lanczos"):
        one, other = (pp.build_bank(generator, 12, k=5, estimator=estimator) for _ in range(2))
        assert one.info == other.info


def test_nothing_is_claimed_that_the_audit_has_not_shown(generator):
    few = pp.build_bank(generator, 298, k=5, estimator="balanced", tol=5.0)
    assert few.info.estimator["error"] < 5.0
    assert few.info.estimator["holds"] is False, "298 latents are too few to speak of 99%"
    assert few.info.accuracy().startswith("balanced: largest error 0.")
    poor = pp.build_bank(generator, 310, k=5, estimator="tangent-only", tol=1e-9)
    assert poor.info.estimator["holds"] is False


def test_an_exact_bank_says_how_its_log_volume_ranks_against_all_of_it(generator, exact):
    everything = pp.top_singular_values(pp.jacobian_fn(generator)(generator.prior.draw(range(310))), K)
    rows = audited_rows(310)
    expected = spearmanr(everything.log_sigma[:, :5].sum(1)[rows], everything.log_volume[rows])[0]
    assert exact.info.estimator["spearman"] == pytest.approx(expected, abs=1e-3)
    assert (exact.info.estimator["name"], exact.info.estimator["error"]) == ("exact", 0.0)
    assert exact.info.accuracy().startswith("exact; Spearman with the full log-volume 0.")


def test_audit():
    truth = np.linspace(0, 1, 300)
    found = audit(truth + 3.1, truth, truth**2, offset=3.0, tol=0.2)
    assert found.error == pytest.approx(0.1)
    assert found.spearman == pytest.approx(1)
    assert found.holds
    assert not audit(truth + 3.1, truth, truth**2, offset=3.0, tol=0.05).holds
    assert not audit(truth[:298], truth[:298], truth[:298], offset=0.0, tol=0.05).holds
    lost = np.where(truth > 0.5, -np.inf, truth)
    assert audit(lost, lost, lost, offset=0.0, tol=0.05).error == 0, "both say that the rank is less than k"
    assert not audit(lost, truth, truth, offset=0.0, tol=0.05).holds
    assert audit(truth, truth, 0 * truth, offset=0.0, tol=0.05).spearman is None
    assert sorted(set(audited_rows(10).tolist())) == list(range(10))
    assert len(set(audited_rows(10_000).tolist())) == 300


def test_which_estimator_is_the_default_is_a_rule():
    chosen = [default_estimator(size, 30, 1000) for size in (100, 105, 106, 512)]
    assert chosen == ["exact"] * 2 + ["block-lanczos"] * 2
    assert default_estimator(512, 30, 300) == "exact", "the audit would solve all of them"


def test_a_bank_that_is_further_off_than_it_says_fails_its_verification(generator):
    bank = pp.build_bank(generator, 20, k=5, estimator="block-lanczos")
    tensors = dict(bank.columns())
    tensors["log_singular_values"] = tensors["log_singular_values"] + np.float32(0.1)
    with pytest.raises(BankError, match=r"a log-volume differs by 0\.5"):
        verify(pp.Bank.of(bank.info, tensors), generator)


def test_memory_is_asked_for_before_anything_starts(generator):
    with pytest.raises(UsageError, match=r"^memory: got 1000 bytes, expected at least 38400") as raised:
        pp.build_bank(generator, 5, k=5, memory=1000)
    assert "use memory=38400" in str(raised.value)
    with pytest.raises(UsageError, match=r"^tol: got -1"):
        pp.build_bank(generator, 5, k=5, tol=-1)
    with pytest.raises(UsageError, match=r"^estimator: got 'guess'"):
        pp.build_bank(generator, 5, k=5, estimator="guess")


def test_latents_at_once_count_what_products_hold_on_to():
    """The slopes of 1,000 units between 4 latents and 2 features, and what lies between two maps."""
    hidden = nn.Sequential(nn.Linear(4, 1000), nn.Tanh(), nn.Linear(1000, 2))
    narrow = pp.jacobian_fn(pp.wrap(hidden, latent_dim=4))(pp.wrap(hidden, latent_dim=4).prior.draw(range(8)))
    assert 4000 <= narrow.kept < 8000, "a float each"
    assert spectra.latents_at_once(narrow, 4, None) == 4096
    deep = replace(narrow, kept=spectra.KEPT_BYTES // 3)
    assert spectra.latents_at_once(deep, 4, None) == 3
    assert spectra.latents_at_once(deep, 4, spectra.KEPT_BYTES // 2) == 1
    wide = replace(narrow, value=torch.zeros(8, 10_000))
    composed = deep @ wide
    assert (composed.kept, composed.between) == (deep.kept + narrow.kept, 10_000)
    assert spectra.latents_at_once(replace(composed, kept=0), 100, None) == 10, "a million numbers each"


def test_bfloat16_is_refused_before_anything_is_calibrated(monkeypatch):
    monkeypatch.setattr(deciding, "calibrate", None)
    branching = pp.wrap(Branching(), latent_dim=4)
    with pytest.raises(UsageError, match="have no products in bfloat16"):
        pp.build_bank(branching, 5, k=2, estimator="tangent-only-bfloat16")


class Branching(nn.Module):
    """Its path depends on its numbers, so that it can't be traced."""

    def forward(self, z):
        return z * 2 if float(z.detach().sum()) > 1e9 else z * 3


def test_little_memory_gives_the_same_numbers(generator, exact):
    for memory in (40_000, 500_000):
        bank = pp.build_bank(generator, 20, k=5, memory=memory)
        np.testing.assert_allclose(bank.log_singular_values, exact.log_singular_values[:20], atol=1e-5)


def test_out_of_memory_is_survived(generator, exact, monkeypatch):
    asked = []
    solve = spectra.top_singular_values

    def short_of_memory(linear_map, *args, **kwargs):
        asked.append(len(linear_map))
        if len(linear_map) > 6:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 12 bytes")
        return solve(linear_map, *args, **kwargs)

    monkeypatch.setattr(spectra, "top_singular_values", short_of_memory)
    bank = pp.build_bank(generator, 20, k=5)
    assert max(asked) == 20
    np.testing.assert_allclose(bank.log_singular_values, exact.log_singular_values[:20], atol=1e-5)


def test_a_model_of_low_rank_can_be_calibrated():
    """Its exact log-volumes are -inf here and there, and so are the estimated ones: that is no error."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        generator = pp.wrap(nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 40)), latent_dim=12)
    for estimator in ("auto", "tangent-only", "balanced"):
        bank = pp.build_bank(generator, 600, k=5, estimator=estimator)
        assert 0 < np.isneginf(bank.log_volume()).sum() < 600
        assert np.isfinite(bank.info.estimator["error"])


def test_the_cheapest_estimator_does_not_depend_on_an_order():
    errors = {name: torch.zeros(3) for name in ("tangent-only", "exact", "balanced")}
    seconds = dict.fromkeys(errors, 1.0)
    for names in (list(errors), list(errors)[::-1]):
        shuffled = {name: errors[name] for name in names}
        calibration = Calibration(torch.eye(3), np.arange(3), torch.zeros(3, 2), shuffled, {}, seconds)
        assert calibration.cheapest(0.1) == "balanced"
