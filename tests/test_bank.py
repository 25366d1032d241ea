"""Banks: the same bytes each time, nothing half-written, nothing believed unchecked."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polarprior import verify
from polarprior.bank.format import BankFile
from polarprior.bank.info import BankInfo
from polarprior.errors import BankError, PluginError, UsageError
from safetensors.numpy import save_file
from torch import nn
from toys import toy_bank


def forged(info, columns):
    """A bank whose digest may not be that of its contents."""
    return pp.Bank(info, [BankFile(None, info, len(columns["seeds"]), columns)])


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 7)), latent_dim=4)


@pytest.fixture(scope="module")
def bank(generator):
    return pp.build_bank(generator, 50, k=3)


@pytest.fixture
def path(bank, tmp_path):
    bank.save(tmp_path / "bank.safetensors")
    return tmp_path / "bank.safetensors"


def test_the_same_build_gives_the_same_bytes(generator, path):
    pp.build_bank(generator, 50, k=3).save(path.with_name("again.safetensors"))
    assert path.read_bytes() == path.with_name("again.safetensors").read_bytes()
    assert sorted(file.name for file in path.parent.iterdir()) == ["again.safetensors", "bank.safetensors"]


def test_what_is_read_is_what_was_written(bank, path):
    opened = pp.Bank.open(path)
    assert opened.info == bank.info
    for name, array in bank.columns().items():
        np.testing.assert_array_equal(array, opened.columns()[name])
        assert array.dtype == opened.columns()[name].dtype
    assert verify(opened).rows == 50


def test_what_a_notebook_shows(generator, bank):
    assert repr(bank) == "Bank(bank: 50 latents of torch, space pixel, k 3)"
    assert "Linear" not in repr(generator)
    assert {"load", "Bank", "wrap", "latent_sampler"} <= set(dir(pp))
    assert all(hasattr(pp, name) for name in dir(pp))


def test_rows_are_stock_seeds(generator, bank):
    assert bank.seeds.tolist() == list(range(50))
    shifted = pp.build_bank(generator, 5, k=3, seeds_from=20)
    np.testing.assert_allclose(shifted.log_singular_values, bank.log_singular_values[20:25], atol=1e-6)
    assert shifted.latent_hash.tolist() == bank.latent_hash[20:25].tolist()


def test_log_volume_of_fewer_singular_values(bank):
    np.testing.assert_allclose(bank.log_volume(2), bank.log_singular_values[:, :2].sum(1, dtype=np.float64))
    assert bank.log_volume().dtype == np.float64
    for k in (0, 4):
        with pytest.raises(UsageError, match="expected 1 to 3"):
            bank.log_volume(k)


def test_classes_in_turn():
    class Conditional(nn.Module):
        def forward(self, z, label):
            return z * (1 + label[:, None])

    generator = pp.wrap(Conditional(), latent_dim=3, num_classes=4)
    bank = pp.build_bank(generator, 7, k=2, classes=[2, 0])
    assert bank.labels.tolist() == [2, 0, 2, 0, 2, 0, 2]
    np.testing.assert_allclose(bank.log_volume(), 2 * np.log(1 + bank.labels), atol=1e-6)
    assert pp.build_bank(generator, 5, k=2).labels.tolist() == [0, 1, 2, 3, 0]
    with pytest.raises(UsageError, match="expected 0 to 3"):
        pp.build_bank(generator, 5, k=2, classes=[4])
    with pytest.raises(UsageError, match=r"^classes: got"):
        pp.build_bank(generator, 5, k=2, classes=[])
    assert verify(bank, generator).largest_error < 1e-6


def test_a_model_without_classes_refuses_one(generator):
    with pytest.raises(UsageError, match="has no classes"):
        pp.build_bank(generator, 5, k=2, classes=[0])


def test_a_bank_of_another_model_is_refused_with_the_field(generator, bank):
    other = pp.wrap(nn.Linear(4, 7), latent_dim=4)
    with pytest.raises(BankError, match="fingerprint"):
        bank.check_fits(other)
    with pytest.raises(BankError, match=r"is for truncation none, your module was opened with 0\.5"):
        bank.check_fits(replace(generator, settings=pp.Settings(trunc=0.5)))
    with pytest.raises(BankError, match="prior"):
        bank.check_fits(replace(generator, prior=replace(generator.prior, name="sphere")))
    bank.check_fits(generator)


def test_a_generator_that_gives_nan_is_blamed():
    class Broken(nn.Module):
        def forward(self, z):
            return torch.where(z[:, :1] < -1, torch.nan, z)

    with pytest.raises(PluginError, match="output holds NaN"):
        pp.build_bank(pp.wrap(Broken(), latent_dim=4), 50, k=2)


def test_a_derivative_that_is_nan_is_found_where_the_output_is_fine():
    class Rooted(nn.Module):
        def forward(self, z):
            return z + z.relu().sqrt()

    with pytest.raises(PluginError, match="the first Jacobians hold NaN"):
        pp.build_bank(pp.wrap(Rooted(), latent_dim=4), 50, k=2)


def test_noise_inside_and_coupled_batches_are_found_before_a_build():
    class Noisy(nn.Module):
        def forward(self, z):
            return z * torch.rand_like(z)

    class Coupled(nn.Module):
        def forward(self, z):
            return z - z.mean(0)

    with pytest.raises(PluginError, match="two different outputs"):
        pp.build_bank(pp.wrap(Noisy(), latent_dim=4), 5, k=2)
    with pytest.raises(PluginError, match="what else is in its batch"):
        pp.build_bank(pp.wrap(Coupled(), latent_dim=4), 5, k=2)
    generator = pp.wrap(Noisy(), latent_dim=4)
    with pytest.raises(PluginError, match="random"):
        pp.jacobian_fn(generator)(generator.prior.draw([0, 1])).jvp(torch.zeros(2, 4, 3))


def test_a_prior_that_is_no_function_of_the_seed_is_found():
    stream = np.random.default_rng(0)
    generator = pp.wrap(nn.Linear(4, 5), latent_dim=4, prior=lambda seeds: stream.normal(size=(len(seeds), 4)))
    with pytest.raises(PluginError, match="different latents for the same seed"):
        pp.build_bank(generator, 5, k=2)


def test_an_output_without_a_derivative_is_found_at_once():
    class Detached(nn.Module):
        def forward(self, z):
            return z.detach()

    with pytest.raises(PluginError, match="does not depend on the latent"):
        pp.build_bank(pp.wrap(Detached(), latent_dim=4), 10**6, k=2)


def test_a_bank_that_is_not_there(generator):
    with pytest.raises(BankError, match="got None"):
        pp.Bank.open(None)


def test_a_bank_of_another_domain_is_refused(generator, bank):
    with pytest.raises(BankError, match="is for the domain w"):
        pp.Bank.of(replace(bank.info, domain="w"), bank.columns()).check_fits(generator)


def test_damage_is_found_when_a_bank_is_used(generator, bank):
    """Not by verify alone: a bank whose seeds were shuffled would draw from another law."""
    tensors = {**bank.columns(), "seeds": bank.seeds[::-1].copy()}
    with pytest.raises(BankError, match="digest"):
        pp.latent_sampler(generator, forged(bank.info, tensors), 0.01, force=True)
    changed = replace(bank.info, space="vgg16")
    with pytest.raises(BankError, match="digest"):
        forged(changed, bank.columns()).log_volume()


def test_a_prior_of_the_same_name_that_draws_other_latents_is_refused(generator):
    def make(scale):
        def rows(seeds):
            return scale * generator.prior.rows(seeds)

        return pp.wrap(generator.network, latent_dim=4, prior=rows)

    bank = pp.build_bank(make(1.0), 20, k=2)
    bank.check_fits(make(1.0))
    with pytest.raises(BankError, match="other latents"):
        bank.check_fits(make(3.0))


def test_settings_of_wrap_are_compared(generator):
    half, most = (pp.wrap(generator.network, 4, settings=pp.Settings(trunc=psi)) for psi in (0.5, 0.7))
    bank = pp.build_bank(half, 5, k=2)
    with pytest.raises(BankError, match="is for truncation"):
        bank.check_fits(most)


@pytest.mark.parametrize("options", [{"n": 0}, {"n": 10**13}, {"seeds_from": -1}, {"seeds_from": 2**32 - 2}])
def test_seeds_of_a_build_out_of_range(generator, options):
    with pytest.raises(UsageError, match=r"^(n|seeds_from|n, seeds_from): got "):
        pp.build_bank(generator, **{"n": 5, "k": 2, **options})


def test_verify_recomputes(generator, bank):
    found = verify(bank, generator, sample=5)
    assert found.recomputed == 5
    assert found.largest_error < 1e-6
    tensors = bank.columns()
    tensors["log_singular_values"] = tensors["log_singular_values"] + np.float32(0.01)
    with pytest.raises(BankError, match=r"differs by 0\.01"):
        verify(pp.Bank.of(bank.info, tensors), generator)
    tensors = {**bank.columns(), "latent_hash": bank.latent_hash + np.r_[0, np.ones(48, np.int64), 0]}
    with pytest.raises(BankError, match="hashes differ"):
        verify(pp.Bank.of(bank.info, tensors), generator)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["log_singular_values"].__setitem__((3, 1), np.nan), "NaN or infinity in 1 rows, .* row 3"),
        (lambda t: t["log_singular_values"].__setitem__((3, 0), np.inf), "NaN or infinity"),
        (lambda t: t["log_singular_values"].__setitem__((4, 0), -90), "out of order at row 4"),
        (lambda t: t["seeds"].__setitem__(2, 1), "same seed"),
        (lambda t: t["seeds"].__setitem__(2, -1), "outside"),
    ],
)
def test_damage_inside_the_tensors_is_named(change, message):
    bank = toy_bank(rows=30, std=1.0)
    tensors = {name: array.copy() for name, array in bank.columns().items()}
    change(tensors)
    with pytest.raises(BankError, match=message):
        verify(pp.Bank.of(bank.info, tensors))
    with pytest.raises(BankError, match="digest"):
        verify(forged(bank.info, tensors))


def test_foreign_files_are_refused(tmp_path, path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, foreign)
    with pytest.raises(BankError, match="not a bank"):
        pp.Bank.open(foreign)
    with pytest.raises(BankError, match="no file"):
        pp.Bank.open(tmp_path / "missing")
    with pytest.raises(BankError, match="is a folder"):
        pp.Bank.open(tmp_path)
    bank = pp.Bank.open(path)
    save_file(bank.columns(), foreign, {"polarprior": bank.info.to_json(), "other": "x"})
    with pytest.raises(BankError, match="not a bank"):
        pp.Bank.open(foreign)
    for size in (0, 5, 100, path.stat().st_size - 1):
        foreign.write_bytes(path.read_bytes()[:size])
        with pytest.raises(BankError, match=r"truncated|no safetensors"):
            pp.Bank.open(foreign)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "polarprior-bank/9"},
        {"k": 2},
        {"k": True},
        {"latent_shape": []},
        {"latent_shape": [-1]},
        {"settings": {"trunc": "x"}},
        {"settings": {"evil": 1}},
        {"plugin": 3},
        {"extra": 1},
        {"num_classes": 5},
        {"latent_shape": [True]},
        {"licence": "MIT\nerror: all is well"},
        {"settings": {"trunc": 10**400, "temperature": None, "noise_mode": None}},
        {"estimator": {"name": {}}},
        {"estimator": {"error": float("nan")}},
    ],
)
def test_hostile_metadata_is_refused(tmp_path, bank, change):
    values = {**json.loads(bank.info.to_json()), **change}
    file = tmp_path / "bank.safetensors"
    save_file(bank.columns(), file, {"polarprior": json.dumps(values, sort_keys=True, separators=(",", ":"))})
    with pytest.raises(BankError):
        pp.Bank.open(file)


def test_metadata_that_is_no_json_or_far_too_deep(tmp_path):
    twice = BankInfo.to_json(toy_bank(rows=2, std=1.0).info).replace('"k":3', '"k":9,"k":3')
    deep = BankInfo.to_json(toy_bank(rows=2, std=1.0).info).replace('"exact"', "[" * 700 + "]" * 700)
    for text in (twice, deep, "{", "[" * 100_000, "3", '{"format":1}', " " * (1 << 20) + "{}"):
        with pytest.raises(BankError):
            BankInfo.from_json(text)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_file_is_refused_or_equal(path, data):
    """Any bytes changed: refused with a reason by open or verify, or the same bank."""
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1) | st.integers(0, 1500))
        content[at] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    mutant = path.with_name("mutant")
    mutant.write_bytes(content)
    with suppress(BankError):
        opened = pp.Bank.open(mutant)
        verify(opened)
        assert opened.info == pp.Bank.open(path).info
