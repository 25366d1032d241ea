"""Banks in shards, and what is said of large ones."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from random import Random

import numpy as np
import polarprior as pp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutants import mutate, write_valid
from polarprior import verify
from polarprior.bank import format as bank_format
from polarprior.bank.statistics import histogram, spectrum_statistics
from polarprior.building.card import write_card
from polarprior.building.merge import merge
from polarprior.errors import BankError, PolarPriorError, UsageError
from polarprior.law.limits import limits_on, rho_limits
from polarprior.samplers.bank_sampler import WeightedBank
from toys import toy_bank

ROW = 8 + 8 + 3 * 4


@pytest.fixture
def bank():
    return toy_bank(300, 1.0)


@pytest.fixture
def sharded(bank, tmp_path):
    bank.save(tmp_path / "bank", max_shard_size=100 * ROW)
    return tmp_path / "bank.safetensors.index.json"


def test_shards_are_named_by_place_and_contents(sharded):
    names = sorted(file.name for file in sharded.parent.iterdir())
    digests = [line["digest"][:16] for line in json.loads(sharded.read_text())["shards"]]
    shards = [f"bank-{number:05d}-of-00003-{digest}.safetensors" for number, digest in enumerate(digests, 1)]
    assert names == [*shards, "bank.safetensors.index.json"]
    assert all((file.stat().st_mode & 0o777) == 0o666 & ~_umask() for file in sharded.parent.iterdir())


def shards_beside(index):
    return sorted(index.parent.glob("bank-*-of-*.safetensors"))


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", ["bank", "bank.safetensors", "bank.safetensors.index.json"])
def test_a_bank_in_shards_is_the_bank(bank, sharded, name):
    opened = pp.Bank.open(sharded.with_name(name))
    assert len(opened) == 300
    for column, array in bank.columns().items():
        np.testing.assert_array_equal(opened.columns()[column], array)
        np.testing.assert_array_equal(opened.columns(90, 210)[column], array[90:210])
    np.testing.assert_array_equal(opened.log_volume(2), bank.log_volume(2))
    np.testing.assert_array_equal(opened.log_singular_values, bank.log_singular_values)
    hashes = bank.latent_hash[50:250]
    assert (WeightedBank(opened, 0.5).rows(hashes) == WeightedBank(bank, 0.5).rows(hashes)).all()
    assert verify(opened).rows == 300


def test_a_bank_keeps_the_last_form_that_it_was_saved_in(bank, sharded):
    bank.save(sharded)
    assert not sharded.exists()
    assert pp.Bank.open(sharded.with_name("bank")).info == bank.info


def test_a_shard_alone_is_no_bank(sharded):
    with pytest.raises(BankError, match="is shard 00002-of-00003 of a bank, not all of it") as raised:
        pp.Bank.open(shards_beside(sharded)[1])
    assert "bank.safetensors.index.json" in raised.value.hint


def test_a_shard_that_cannot_be_written_leaves_none(bank, tmp_path):
    bank.save(tmp_path / "bank", max_shard_size=100 * ROW)
    third = shards_beside(tmp_path / "bank.safetensors.index.json")[2]
    for each in tmp_path.iterdir():
        each.unlink()
    third.mkdir()
    with pytest.raises(PolarPriorError, match="can't write"):
        bank.save(tmp_path / "bank", max_shard_size=100 * ROW)
    assert [*tmp_path.iterdir()] == [third]


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")
    write_valid(folder)
    return folder


@settings(max_examples=300, deadline=1000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_a_mutant_is_refused_with_its_reason_or_equal(valid, tmp_path_factory, seed):
    """The short form of `benchmarks/bank_mutations.py`."""
    kind, mutant, sound = mutate(valid, tmp_path_factory.mktemp("mutant"), Random(seed))
    reason = ""
    try:
        verify(pp.Bank.open(mutant))
    except PolarPriorError as error:
        reason = error.message
    assert "\n" not in reason
    assert reason or pp.Bank.open(mutant).info == pp.Bank.open(sound).info, kind


def test_a_bank_that_can_not_be_replaced_is_kept(sharded, monkeypatch):
    write, calls = bank_format.write_to, []

    def full_at_the_last(path, file):
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        write(path, file)

    monkeypatch.setattr(bank_format, "write_to", full_at_the_last)
    with pytest.raises(PolarPriorError, match="No space left"):
        toy_bank(300, 1.0, seed=1).save(sharded, max_shard_size=100 * ROW)
    assert verify(pp.Bank.open(sharded)).rows == 300
    assert len(list(sharded.parent.iterdir())) == 4


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0 + 2**-52], [-np.inf, -np.inf], [1e9, 1e9 + 1e-6], [0.0, 5.0]])
def test_a_histogram_of_anything(values):
    lines = histogram(np.array(values)).splitlines()
    assert sum(int(line.split()[-1]) for line in lines) == np.isfinite(values).sum()


def test_rows_of_a_class_are_ascending():
    bank = toy_bank(100, 1.0, num_classes=7)
    for label in range(7):
        np.testing.assert_array_equal(bank.rows_of(label), np.flatnonzero(bank.labels == label))


def test_limits_on_a_bank_are_those_of_its_log_volumes(bank):
    assert limits_on(bank) == rho_limits(bank.log_volume())
    assert limits_on(bank, k=2, draws=900) == rho_limits(bank.log_volume(2), 900)


def test_merged_banks_are_the_bank(bank, tmp_path):
    columns = bank.columns()
    halves = [
        pp.Bank.of(bank.info, {name: array[rows] for name, array in columns.items()})
        for rows in (slice(120, None), slice(0, 120))
    ]
    merged = merge(halves, tmp_path / "merged", max_shard_size=130 * ROW)
    assert merged.path == tmp_path / "merged.safetensors.index.json"
    for name, array in columns.items():
        np.testing.assert_array_equal(merged.columns()[name], array)
    estimator = merged.info.estimator
    assert estimator == {"name": "exact", "tolerance": 0.0, "audited": 0, "error": 0.0, "holds": False}
    assert merge(halves, tmp_path / "merged").info == merged.info, "as after a merge that was ended before its card"
    toy_bank(300, 1.0, seed=1).save(tmp_path / "other")
    with pytest.raises(PolarPriorError, match="exists already"):
        merge(halves, tmp_path / "other")


def test_audits_are_merged(bank, tmp_path):
    def part(rows, **audit):
        estimator = {"name": "balanced", "tolerance": 0.1, "offset": 0.0, **audit}
        info = pp.Bank.of(bank.info, bank.columns()).info
        columns = {name: array[rows] for name, array in bank.columns().items()}
        return pp.Bank.of(replace(info, estimator=estimator), columns)

    first = part(slice(0, 100), audited=300, error=0.05, spearman=0.9, holds=True)
    second = part(slice(100, 200), audited=310, error=0.07, spearman=0.8, holds=True)
    found = merge([first, second], tmp_path / "merged").info.estimator
    assert (found["audited"], found["error"], found["holds"]) == (610, 0.07, True)
    assert "spearman" not in found
    with pytest.raises(BankError, match="estimator's tolerance"):
        merge([first, part(slice(100, 200), tolerance=0.2)], tmp_path / "other")


def test_banks_that_do_not_belong_together(bank, tmp_path):
    with pytest.raises(BankError, match="seed 0 is in two"):
        merge([bank, bank], tmp_path / "merged")
    with pytest.raises(BankError, match="space is pixel in one, vgg16 in another"):
        merge([bank, pp.Bank.of(replace(bank.info, space="vgg16"), bank.columns())], tmp_path / "merged")
    with pytest.raises(UsageError, match="got 1, expected at least two"):
        merge([bank], tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_the_two_ends_of_a_bank(bank):
    low, high = bank.top(5), bank.top(5, anti=True)
    order = bank.seeds[np.argsort(bank.log_volume())]
    assert (low.name, low.seeds) == ("modes", order[:5].tolist())
    assert (high.name, high.seeds) == ("anti-modes", order[::-1][:5].tolist())
    assert high.log_volumes[0] == bank.log_volume().max()
    for n in (0, 301):
        with pytest.raises(UsageError, match=r"expected (1 to 300|a whole number from 1)"):
            bank.top(n)


def test_statistics_of_the_spectra(bank):
    values = bank.log_singular_values.astype(np.float64)
    found = spectrum_statistics(bank)
    np.testing.assert_allclose(found.mean, values.mean(0), rtol=1e-10)
    np.testing.assert_allclose(found.std, values.std(0), rtol=1e-6)
    lost = values.copy()
    lost[:10, 2] = -np.inf
    columns = {**bank.columns(), "log_singular_values": lost.astype(np.float32)}
    found = spectrum_statistics(pp.Bank.of(bank.info, columns))
    np.testing.assert_allclose(found.mean[2], values[10:, 2].mean(), rtol=1e-6)


def test_a_card_says_what_the_bank_is(bank, tmp_path):
    hostile = pp.Bank.of(replace(bank.info, licence='MIT: "x"\\ | --- # {}'), bank.columns())
    card = write_card(hostile, tmp_path / "faces.safetensors")
    text = card.read_text()
    assert card.name == "README.md"
    header = text.split("---\n")[1]
    assert 'license_name: "MIT: \\"x\\"\\\\ | --- # {}"' in header
    assert "library_name: polarprior" in header
    assert "| latents | 300 |" in text
    assert str(limits_on(bank)) in text
    again = text
    write_card(hostile, tmp_path / "faces.safetensors")
    assert card.read_text() == again, "the same bank has the same card"


def test_a_readme_that_is_there_stays(bank, tmp_path):
    (tmp_path / "folder" / "README.md").mkdir(parents=True)
    assert write_card(bank, tmp_path / "folder" / "faces").name == "faces.README.md"
    (tmp_path / "README.md").write_text("# My project\n")
    assert write_card(bank, tmp_path / "faces").name == "faces.README.md"
    assert (tmp_path / "README.md").read_text() == "# My project\n"
