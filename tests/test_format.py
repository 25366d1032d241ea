"""The format of banks, as docs/bank-format.md has it: files that were written before stay readable, by any reader."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import second_reader
from polarprior.bank.info import FORMAT, BankInfo
from polarprior.hashing import latent_hash
from toys import toy_bank

GOLDEN = Path(__file__).parent / "golden"
"""Written by commit 686a659, and never again."""
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
PAGE = (Path(__file__).parent.parent / "docs" / "bank-format.md").read_text()


def path_of(name):
    return GOLDEN / f"{name}.safetensors{'.index.json' if name == 'shards' else ''}"


def numbers(listed, dtype):
    """JSON has no -inf: there it is null."""
    return np.where(np.equal(np.array(listed, object), None), -np.inf, np.array(listed, float)).astype(dtype)


def check(expected, columns, log_volume):
    for name in ("seeds", "latent_hash", "labels"):
        if expected[name] is not None:
            assert columns[name].tolist() == expected[name]
    infinite = np.array(
        [[-np.inf if value is None else value for value in row] for row in expected["log_singular_values"]]
    )
    np.testing.assert_array_equal(columns["log_singular_values"], infinite.astype(np.float32))
    np.testing.assert_array_equal(
        log_volume, [-np.inf if value is None else value for value in expected["log_volume"]]
    )


@pytest.mark.parametrize("name", EXPECTED)
def test_a_second_reader_reads_what_was_written_before(name):
    metadata, columns = second_reader.read(path_of(name))
    assert metadata["digest"] == EXPECTED[name]["digest"]
    assert metadata["k"] == EXPECTED[name]["k"]
    check(EXPECTED[name], columns, second_reader.log_volume(columns))


@pytest.mark.parametrize("name", EXPECTED)
def test_ours_does_too(name):
    for path in (path_of(name), GOLDEN / name):
        bank = pp.Bank.open(path)
        assert (bank.info.digest, len(bank)) == (EXPECTED[name]["digest"], EXPECTED[name]["rows"])
        check(EXPECTED[name], bank.columns(), bank.log_volume())
        pp.verify(bank)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_read_is_written_as_it_was(name, tmp_path):
    """Byte for byte, one file; the second reader reads what ours writes today in shards."""
    bank = pp.Bank.open(GOLDEN / name)
    written = bank.save(tmp_path / "again")
    if name != "shards":
        assert written.read_bytes() == path_of(name).read_bytes()
    shards = bank.save(tmp_path / "sharded", max_shard_size=max(bank.size // 3, 1))
    assert shards.name.endswith(".index.json")
    metadata, columns = second_reader.read(shards)
    assert metadata["k"] == bank.info.k
    check(EXPECTED[name], columns, second_reader.log_volume(columns))


def test_the_hash_of_a_latent_is_as_the_page_says():
    z = np.random.RandomState(3).randn(2, 4, 5)
    expected = [
        int.from_bytes(hashlib.blake2b(row.astype("<f4").tobytes(), digest_size=8).digest(), "little", signed=True)
        for row in z
    ]
    assert latent_hash(z).tolist() == expected


def test_the_page_names_every_field_and_column():
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert {field.name for field in fields(BankInfo)} <= named
    assert set(toy_bank(2, 1.0, num_classes=1).columns()) <= named
    assert FORMAT in PAGE


def test_a_reader_of_a_hundred_lines():
    lines = (Path(__file__).parent / "second_reader.py").read_text().splitlines()
    assert len(lines) <= 100
    assert not re.search(r"^(import|from) (polarprior|safetensors|torch)", "\n".join(lines), re.M)
