"""What is kept of a bank: in which folder, for how long, and what of it is believed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polarprior as pp
import pytest
from polarprior import cache_folder
from polarprior.bank import bank as bank_module
from polarprior.bank import cache
from polarprior.errors import BankError
from polarprior.law.limits import limits_on
from polarprior.samplers.bank_sampler import WeightedBank
from safetensors import safe_open
from safetensors.numpy import save_file
from toys import toy_bank

ARRAYS = {"seeds": np.array([2**62 + 1, -5]), "level": np.array(0.5), "table": np.eye(3, 2, dtype=np.float32).T}


@pytest.fixture
def bank():
    return toy_bank(300, 1.0)


@pytest.fixture
def path(bank, tmp_path):
    (tmp_path / "banks").mkdir()
    return bank.save(tmp_path / "banks" / "bank", max_shard_size=100 * 28)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's cache folder of the test's; every bank is treated as a large one."""
    monkeypatch.setattr(cache, "SMALL", 0)
    monkeypatch.delenv(cache_folder.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    cache_folder._warn_once.cache_clear()
    return tmp_path / "home" / "polarprior" / "banks"


def draws(path):
    """What a bank gives, without its spectra being read."""
    bank = pp.Bank.open(path)
    return bank.log_volume(), WeightedBank(bank, 0.3).rows(bank.latent_hash), limits_on(bank)


def entries(folder):
    return sorted(file for file in folder.rglob("*") if not file.is_dir())


def rights(folder):
    return folder.stat().st_mode & 0o777


def test_what_draws_need_of_a_large_bank_is_computed_once(home, path, monkeypatch):
    first = draws(path)
    monkeypatch.setattr(bank_module, "checked_log_volume", None)
    monkeypatch.setattr("polarprior.law.limits.rho_limits", None)
    for one, other in zip(first, draws(path), strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.asarray(one).dtype == np.asarray(other).dtype


def test_folders_are_made_for_this_user_alone_and_nothing_lies_beside_the_bank(home, path):
    before = sorted(path.parent.iterdir())
    draws(path)
    assert sorted(path.parent.iterdir()) == before
    (own,) = home.iterdir()
    assert [rights(each) for each in (home.parents[1], home.parent, home, own)] == [0o700] * 4
    assert [file.name for file in entries(home)] == [
        "by_hash.safetensors",
        "limits-k3-classNone-ess75.safetensors",
        "log_volume-k3.safetensors",
    ]


def test_a_small_bank_leaves_nothing(home, path, monkeypatch):
    monkeypatch.setattr(cache, "SMALL", 1 << 26)
    draws(path)
    assert not home.exists()


def test_an_older_folder_around_that_of_banks_may_be_open_to_others(home, path):
    home.parent.mkdir(parents=True)
    home.parent.chmod(0o755)
    draws(path)
    assert entries(home)


def test_the_folder_that_is_named_is_used(home, path, tmp_path, monkeypatch):
    named = tmp_path / "shared" / "mine"
    monkeypatch.setenv("POLARPRIOR_CACHE", str(named))
    draws(path)
    assert entries(named)
    assert rights(named) == 0o700
    assert not home.exists()


def test_what_is_kept_comes_back_as_it_was(home, path):
    assert pp.Bank.open(path).keep("some/thing", ARRAYS)
    found = pp.Bank.open(path).recall("some/thing")
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
    assert pp.Bank.open(path).recall("other") is None
    assert pp.Bank.open(path, cached=False).recall("some/thing") is None


def test_a_bank_without_a_cache_keeps_in_memory(home, bank):
    assert not bank.keep("thing", ARRAYS)
    assert bank.recall("thing") is ARRAYS
    assert not home.exists()


def test_a_file_that_changes_is_read_again_and_what_lasts_stays(home, path, monkeypatch):
    pp.Bank.open(path).keep("thing", ARRAYS)
    first = draws(path)
    for shard in path.parent.glob("*.safetensors"):
        os.utime(shard)
    np.testing.assert_array_equal(pp.Bank.open(path).recall("thing")["seeds"], ARRAYS["seeds"])
    calls, read = [], bank_module.checked_log_volume
    monkeypatch.setattr(bank_module, "checked_log_volume", lambda *files: calls.append(files) or read(*files))
    for _ in range(2):
        np.testing.assert_array_equal(draws(path)[0], first[0])
    assert len(calls) == 1
    assert len(entries(home)) == 4, "entries of the files as they were are replaced"


def test_a_copy_has_what_lasts(home, path, tmp_path):
    pp.Bank.open(path).keep("thing", ARRAYS)
    copy = shutil.copytree(path.parent, tmp_path / "copy") / path.name
    assert pp.Bank.open(copy).recall("thing") is not None


def test_a_bank_that_has_changed_is_another(home, bank, path):
    draws(path)
    pp.Bank.open(path).keep("thing", ARRAYS)
    (shard,) = path.parent.glob("bank-00002-of-00003-*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(BankError, match=r"bank-00002-of-00003-[0-9a-f]{16}.safetensors is damaged: its digest"):
        draws(path)
    other = toy_bank(300, 1.0, seed=1)
    other.save(path, max_shard_size=100 * 28)
    np.testing.assert_array_equal(draws(path)[0], other.log_volume())
    assert pp.Bank.open(path).recall("thing") is None


@pytest.mark.parametrize("how", ["in place", "another file"])
def test_a_change_whose_time_was_set_back_is_seen(home, path, how):
    """Times of modification can be set, so that a seed could be altered under what the cache had checked."""
    draws(path)
    shard = sorted(path.parent.glob("*.safetensors"))[1]
    before, content = shard.stat(), bytearray(shard.read_bytes())
    content[-1] ^= 1
    if how == "in place":
        with shard.open("r+b") as file:
            file.write(content)
    else:
        (path.parent / "other").write_bytes(content)
        (path.parent / "other").rename(shard)
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (shard.stat().st_size, shard.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    with pytest.raises(BankError, match="is damaged: its digest"):
        draws(path)


def flipped(file):
    content = bytearray(file.read_bytes())
    content[12] ^= 1
    file.write_bytes(content)


def cut(file):
    file.write_bytes(file.read_bytes()[:-8])


def emptied(file):
    file.write_bytes(b"")


def grown(file):
    with file.open("ab") as opened:
        opened.truncate(1 << 33)


def changed(change):
    """A function that rewrites an entry with its metadata and other arrays."""

    def rewrite(file):
        with safe_open(file, framework="numpy") as opened:
            arrays, metadata = {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118
        save_file(change(arrays), file, metadata=metadata)

    return rewrite


def of_no_bank(file):
    with safe_open(file, framework="numpy") as opened:
        arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    save_file(arrays, file)


def fifo(file):
    file.unlink()
    os.mkfifo(file)


def folder(file):
    file.unlink()
    file.mkdir()


def device(file):
    file.unlink()
    file.symlink_to("/dev/zero")


SHORTER = changed(lambda arrays: {name: array[:-1] for name, array in arrays.items()})
NARROWER = changed(lambda arrays: {name: (array * 0).astype(np.float32) for name, array in arrays.items()})
REVERSED = changed(lambda arrays: {name + "s": array[::-1].copy() for name, array in arrays.items()})
DAMAGES = [flipped, cut, emptied, grown, SHORTER, NARROWER, REVERSED, of_no_bank, fifo, folder, device]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_entry_is_missing(home, path, damage):
    first = draws(path)
    for file in entries(home):
        damage(file)
    for one, other in zip(first, draws(path), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("damage", [flipped, cut, emptied, grown, of_no_bank, fifo, folder, device])
def test_what_is_no_kept_entry_is_missing(home, path, damage):
    pp.Bank.open(path).keep("thing", ARRAYS)
    damage(*entries(home))
    assert pp.Bank.open(path).recall("thing") is None


def opened_to_others(folder, monkeypatch):
    folder.chmod(0o755)
    return f"others may enter it; chmod 700 {folder}"


def somebody_elses(folder, monkeypatch):
    uid = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: uid)
    return "another user's"


def linked(folder, monkeypatch):
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")
    return "a link or no folder"


def a_file(folder, monkeypatch):
    shutil.rmtree(folder)
    folder.touch()
    return "a link or no folder"


def dangling(folder, monkeypatch):
    shutil.rmtree(folder)
    folder.symlink_to("nowhere")
    return "a link or no folder"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("change", [opened_to_others, somebody_elses, linked, a_file, dangling])
def test_any_other_folder_is_not_used_and_said_once(home, path, change, monkeypatch):
    """What it holds isn't read: here it is all zeros. Nor is anything written."""
    first = draws(path)
    pp.Bank.open(path).keep("thing", ARRAYS)
    zeros = changed(lambda arrays: {name: np.zeros_like(array) for name, array in arrays.items()})
    for file in entries(home):
        zeros(file)
    before = {file: file.read_bytes() for file in entries(home.resolve())}
    why = change(home, monkeypatch)
    there = {file.name for file in home.parent.rglob("*")}
    with pytest.warns(UserWarning, match=f"the cache folder {home} is not used, since") as caught:
        found = [draws(path), draws(path)]
    for each in found:
        for one, other in zip(first, each, strict=True):
            np.testing.assert_array_equal(one, other)
    assert pp.Bank.open(path).recall("thing") is None
    assert not pp.Bank.open(path).keep("thing", ARRAYS)
    (said,) = caught
    assert why in str(said.message)
    assert said.filename == __file__
    assert {file.name for file in home.parent.rglob("*")} == there
    assert all(file.read_bytes() == content for file, content in before.items() if file.exists())


def test_a_banks_own_folder_follows_the_same_rule(home, path):
    draws(path)
    (own,) = home.iterdir()
    own.chmod(0o777)
    with pytest.warns(UserWarning, match=f"chmod 700 {own}"):
        draws(path)


def test_with_nowhere_to_write_there_is_no_cache_and_no_error(home, bank, path, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    np.testing.assert_array_equal(draws(path)[0], bank.log_volume())
    assert not pp.Bank.open(path).keep("thing", ARRAYS)


def test_a_user_without_a_home(home, bank, path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", no_home)
    np.testing.assert_array_equal(draws(path)[0], bank.log_volume())
    assert not pp.Bank.open(path).keep("thing", ARRAYS)


def test_of_several_who_write_at_once_one_is_there_whole(home, path):
    banks = [pp.Bank.open(path) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        done = threads.map(lambda i: banks[i].keep("thing", {"a": np.full(100_000, i)}), range(8))
        assert all(done)
    found = pp.Bank.open(path).recall("thing")["a"]
    assert len(found) == 100_000
    assert len(set(found.tolist())) == 1
    assert [file.name for file in entries(home)] == ["thing.safetensors"]


def test_another_process_finds_it(home, path):
    pp.Bank.open(path).keep("thing", ARRAYS)
    code = f"import polarprior as pp; print(pp.Bank.open({str(path)!r}).recall('thing')['seeds'].tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(ARRAYS["seeds"].tolist())
