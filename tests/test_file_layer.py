"""Files in folders that others may write to: no link is followed, and a bank is replaced as a whole."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
from polarprior.bank.writing import write_files
from polarprior.building.journal import Journal
from polarprior.building.lock import held
from polarprior.building.parts import Parts
from polarprior.building.plan import Unit
from polarprior.errors import PolarPriorError, UsageError
from polarprior.files import open_regular, read_regular
from torch import nn
from toys import toy_bank

ROW = 28
"""Bytes of a row of `toy_bank`."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links, pipes and locks")


@pytest.fixture
def victim(tmp_path):
    file = tmp_path / "victim.txt"
    file.write_text("of the user")
    yield file
    assert file.read_text() == "of the user"


def linked(path: Path, victim: Path, kind: str) -> None:
    path.parent.mkdir(exist_ok=True)
    {
        "link": lambda: path.symlink_to(victim),
        "hard link": lambda: path.hardlink_to(victim),
        "dangling link": lambda: path.symlink_to("nowhere"),
        "link to itself": lambda: path.symlink_to(path.name),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }[kind]()


KINDS = ["link", "hard link", "dangling link", "link to itself", "pipe", "folder"]


@posix
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_locked_or_appended_to_is_a_file_of_that_name_alone(tmp_path, victim, kind):
    for name, use in {
        "BANK.parts/lock": lambda path: held(path, "BANK").__enter__(),
        "BANK.log.jsonl": lambda path: Journal(path).write(unit="part"),
        "plan.json": lambda path: read_regular(path, 100),
        "new": lambda path: open_regular(path, os.O_RDWR | os.O_CREAT),
    }.items():
        linked(tmp_path / name, victim, kind)
        with pytest.raises(PolarPriorError, match=r"is a link, has another name|can't write") as refused:
            use(tmp_path / name)
        assert str(tmp_path / name) in refused.value.message
    assert not (tmp_path / "nowhere").exists()


@posix
def test_a_build_is_not_kept_in_somebody_elses_folder(tmp_path, victim):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/part-0000000000.safetensors").write_text("of the user")
    (tmp_path / "bank.parts").symlink_to("other")
    generator = pp.wrap(nn.Linear(4, 6), latent_dim=4)
    with pytest.raises(PolarPriorError, match=r"bank.parts is a link"):
        pp.build_bank(generator, 4, 2, out=tmp_path / "bank")
    assert [each.name for each in (tmp_path / "other").iterdir()] == ["part-0000000000.safetensors"]


@posix
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_that_is_no_file_is_none(tmp_path, victim, kind):
    parts = Parts(tmp_path / "bank.parts")
    parts.folder.mkdir()
    unit = Unit("part", 0, 4)
    linked(parts.folder / f"{unit.name}.safetensors", victim, kind)
    assert parts.get(unit) is None


@posix
@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link"])
def test_a_bank_replaces_a_link_and_not_what_it_leads_to(tmp_path, victim, kind):
    linked(tmp_path / "bank.safetensors", victim, kind)
    path = toy_bank(30, 1.0).save(tmp_path / "bank")
    assert not path.is_symlink()
    assert len(pp.Bank.open(path)) == 30


FORMS = {"one file": 10**9, "two shards": 150 * ROW, "three shards": 100 * ROW, "six shards": 50 * ROW}


@pytest.mark.parametrize("after", FORMS)
@pytest.mark.parametrize("before", FORMS)
def test_whenever_a_writer_is_ended_the_old_bank_is_there_or_the_new_one(tmp_path, monkeypatch, before, after):
    old, new = toy_bank(300, 1.0), toy_bank(300, 1.0, seed=1)
    folder, states = tmp_path / "banks", []
    named = old.save(folder / "bank", FORMS[before])

    def recorded(function):
        def call(self, *arguments, **options):
            found = function(self, *arguments, **options)
            states.append(shutil.copytree(folder, tmp_path / f"state-{len(states)}"))
            return found

        return call

    for name in ("replace", "unlink"):
        monkeypatch.setattr(Path, name, recorded(getattr(Path, name)))
    written = new.save(folder / "bank", FORMS[after])
    monkeypatch.undo()
    assert len(states) >= 1
    seen = []
    for state in states:
        opened = pp.Bank.open(state / "bank")
        pp.verify(opened)
        seen.append(bool((opened.seeds == new.seeds).all() and (opened.log_volume() == new.log_volume()).all()))
        if not seen[-1]:
            np.testing.assert_array_equal(opened.log_volume(), old.log_volume())
        for path in (named, written):  # by its very name, too
            if (state / path.name).exists():
                pp.verify(pp.Bank.open(state / path.name))
    assert seen == sorted(seen)
    assert seen[-1]
    new.save(tmp_path / "fresh/bank", FORMS[after])
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == {
        each.name: each.read_bytes() for each in (tmp_path / "fresh").iterdir()
    }
    for state in states:  # a writer that comes after one that was ended leaves no trace of it
        new.save(state / "bank", FORMS[after])
        assert {each.name for each in state.iterdir()} == {each.name for each in folder.iterdir()}


def test_shards_of_others_stay(tmp_path):
    """Such as a language model's beside a bank of its name, or a bank's whose name begins in the same way."""
    others = ["bank-00001-of-00003.safetensors", "bank-00001-of-00003-0123456789abcdef.safetensors"]
    for name in others:
        (tmp_path / name).write_bytes(b"of others")
    kept = toy_bank(300, 1.0, seed=2).save(tmp_path / "bank-two", FORMS["three shards"])
    for form in FORMS.values():
        toy_bank(300, 1.0).save(tmp_path / "bank", form)
    assert all((tmp_path / name).read_bytes() == b"of others" for name in others)
    pp.verify(pp.Bank.open(kept))


def test_writers_that_meet(tmp_path):
    """Threads have one process number, as the first processes of two containers do."""
    banks = [toy_bank(300, 1.0, seed=seed) for seed in range(4)]

    def write(number):
        banks[number % 4].save(tmp_path / "bank", list(FORMS.values())[number % 3 + 1])

    def read(_):
        opened = pp.Bank.open(tmp_path / "bank")
        pp.verify(opened)
        return opened.info.digest

    write(0)
    with ThreadPoolExecutor(6) as pool:
        reads = [pool.submit(read, number) for number in range(30)]
        writes = [pool.submit(write, number) for number in range(30)]
        reads += [pool.submit(read, number) for number in range(60)]
        for each in (*writes, *reads):
            each.result()
    left = sorted(tmp_path.iterdir())
    pp.verify(pp.Bank.open(tmp_path / "bank"))
    pp.Bank.open(tmp_path / "bank").save(tmp_path / "bank", 10**9)
    assert [each.name for each in tmp_path.iterdir()] == ["bank.safetensors"]
    assert not [each for each in left if each.name.endswith(".tmp")]


@pytest.mark.parametrize("size", [-1, 0, True, 0.5, "2G", None, 10])
def test_a_size_of_shards_that_is_none_is_refused_before_anything_is_done(tmp_path, size):
    path = toy_bank(300, 1.0).save(tmp_path / "bank")
    before = path.read_bytes()
    bank = toy_bank(9000, 1.0)
    with pytest.raises(UsageError, match="max_shard_size: got"):
        bank.save(tmp_path / "bank", size)
    with pytest.raises(UsageError, match="max_shard_size: got"):
        write_files(tmp_path / "bank", bank.info, 9000, lambda *_: pytest.fail("asked for columns"), size)
    assert [each.name for each in tmp_path.iterdir()] == ["bank.safetensors"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [-1, 0, "2G"])
def test_a_build_is_refused_before_its_first_latent(tmp_path, size):
    generator = pp.wrap(nn.Linear(4, 6), latent_dim=4)
    with pytest.raises(UsageError, match="max_shard_size: got"):
        pp.build_bank(generator, 4, 2, out=tmp_path / "bank", max_shard_size=size)
    assert not any(tmp_path.iterdir())


def test_permissions_are_those_that_the_folder_gives(tmp_path):
    umask = os.umask(0o027)
    try:
        path = toy_bank(300, 1.0).save(tmp_path / "deep/er/bank", FORMS["two shards"])
    finally:
        os.umask(umask)
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o640}


def in_a_child_of_nobody(work) -> int:
    """Run in a forked process that is no longer root; its exit code: 0, 1 for an error of ours, 2 for another."""
    child = os.fork()
    if child == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            work()
        except PolarPriorError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@posix
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_may_only_be_read(tmp_path, monkeypatch):
    """As somebody who is not root, for whom rights count."""
    monkeypatch.setenv("POLARPRIOR_CACHE", str(tmp_path / "nowhere"))
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        folder.chmod(0o755)
    (tmp_path / "banks").mkdir()
    path = toy_bank(300, 1.0).save(tmp_path / "banks/bank", FORMS["two shards"])
    (tmp_path / "banks").chmod(0o555)
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    generator = pp.wrap(nn.Linear(4, 6), latent_dim=4)
    assert in_a_child_of_nobody(lambda: pp.verify(pp.Bank.open(path))) == 0
    assert in_a_child_of_nobody(lambda: toy_bank(300, 1.0, seed=1).save(path)) == 1
    assert in_a_child_of_nobody(lambda: pp.build_bank(generator, 4, 2, out=path.parent / "new")) == 1
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


MEETING = """
import sys
sys.path.insert(0, sys.argv[1])
import polarprior as pp
from toys import toy_bank
for number in range(30):
    toy_bank(300, 1.0, seed=int(sys.argv[3]) * 100 + number).save(sys.argv[2], [10**9, 4200, 2800][number % 3])
    pp.verify(pp.Bank.open(sys.argv[2]))
"""


@posix
def test_first_processes_of_two_containers(tmp_path):
    """Both are number 1 of their own, on one folder."""
    alone = ["unshare", "--pid", "--fork", sys.executable]
    if not shutil.which("unshare") or subprocess.run([*alone, "-c", ""], capture_output=True).returncode:
        pytest.skip("no right to make a namespace of processes")
    words = [*alone, "-c", MEETING, str(Path(__file__).parent), str(tmp_path / "bank")]
    both = [subprocess.Popen([*words, str(number)], stderr=subprocess.PIPE, text=True) for number in (1, 2)]
    for each in both:
        assert each.communicate()[1] == ""
        assert each.returncode == 0
    pp.verify(pp.Bank.open(tmp_path / "bank"))
    toy_bank(300, 1.0).save(tmp_path / "bank")
    assert [each.name for each in tmp_path.iterdir()] == ["bank.safetensors"]
