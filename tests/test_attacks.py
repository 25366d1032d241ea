"""Twelve attacks that once worked, by public names and commands alone: the same file attacks an older version, with
``PYTHONPATH=OLD/hooks:OLD/vendor_patches:tests pytest --noconftest``."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from toys import toy_bank

ROW = 28
"""Bytes of a row of `toy_bank`."""
USERS = "import polarprior as pp\nfrom torch import nn\ndef make(): return pp.wrap(nn.Tanh(), latent_dim=4)\n"
BUILT = "torch:users:make"


@pytest.fixture
def generator(tmp_path, monkeypatch):
    """A user's own, in the folder that commands are typed in."""
    (tmp_path / "users.py").write_text(USERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "users", raising=False)
    yield pp.load(BUILT, "cpu")
    sys.modules.pop("users", None)


def typed(*words: object) -> subprocess.CompletedProcess[str]:
    """A command of ours, in a process that may die of it."""
    command = [sys.executable, "-m", "polarprior.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def run(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own."""
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, timeout=120)


def test_1_a_strangers_bank_calls_no_function(generator, tmp_path):
    bank = pp.build_bank(generator, 8, k=2)
    path = pp.Bank.of(replace(bank.info, space="torch:os:abort"), bank.columns()).save(tmp_path / "bank")
    done = typed("bank", "verify", path, "--model", BUILT)
    assert done.returncode == 1, "it has called what the bank names"
    assert "\nerror: " in f"\n{done.stderr}"  # a slow machine says before it that it goes on


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such links")
def test_2_a_lock_does_not_follow_a_link(generator, tmp_path):
    victim = tmp_path / "victim.txt"
    victim.write_text("of the user")
    (tmp_path / "bank.parts").mkdir()
    (tmp_path / "bank.parts/lock").symlink_to(victim)
    refused = False
    try:
        pp.build_bank(generator, 8, k=2, out=tmp_path / "bank")
    except pp.PolarPriorError:
        refused = True
    assert victim.read_text() == "of the user"
    assert refused


def test_3_writers_of_one_process_number_do_not_meet(tmp_path):
    banks = [toy_bank(300, 1.0, seed=seed) for seed in range(4)]
    banks[0].save(tmp_path / "bank")

    def write_and_read(number):
        banks[number % 4].save(tmp_path / "bank")
        return len(pp.Bank.open(tmp_path / "bank").log_volume())

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(write_and_read, range(60))) == {300}


ENDED = """
import os, sys
from pathlib import Path
from toys import toy_bank
renames, rename = 0, Path.replace
def counted(self, name):
    global renames
    renames += 1
    if renames == 2:
        os._exit(9)
    return rename(self, name)
Path.replace = counted
toy_bank(300, 1.0, seed=1).save(sys.argv[1], 100 * 28)
"""


def test_4_a_bank_in_shards_is_replaced_as_a_whole(tmp_path, monkeypatch):
    old, new = toy_bank(300, 1.0), toy_bank(300, 1.0, seed=1)
    old.save(tmp_path / "bank", 100 * ROW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    assert run(ENDED, tmp_path / "bank").returncode == 9
    try:
        found = pp.Bank.open(tmp_path / "bank").log_volume()
    except pp.PolarPriorError as error:
        pytest.fail(f"neither the old bank nor the new one is there: {error}")
    assert any(np.array_equal(found, each.log_volume()) for each in (old, new))


def test_5_a_size_of_shards_deletes_no_bank(tmp_path):
    path = toy_bank(300, 1.0).save(tmp_path / "bank")
    before, refused = path.read_bytes(), False
    try:
        toy_bank(300, 1.0, seed=1).save(path, max_shard_size=-1)
    except pp.PolarPriorError:
        refused = True
    assert path.exists()
    assert path.read_bytes() == before
    assert refused


def test_6_a_bank_writes_nothing_to_the_terminal_or_its_card_but_text(generator, tmp_path):
    settings = pp.Settings(noise_mode="const")
    object.__setattr__(settings, "noise_mode", "\x1b[31mred")  # as a stranger's program would write it
    for name, first in (("one", 0), ("two", 8)):
        bank = pp.build_bank(generator, 8, k=2, seeds_from=first)
        pp.Bank.of(replace(bank.info, settings=settings), bank.columns()).save(tmp_path / name)
    said = [typed("bank", *words) for words in (["info", "one"], ["merge", "one", "two", "--out", "both"])]
    said.append(typed("bank", "verify", "one", "--model", BUILT))
    cards = "".join(each.read_text() for each in tmp_path.glob("*README.md"))
    assert "\x1b" not in "".join(f"{done.stdout}{done.stderr}" for done in said)
    assert "\x1b" not in cards


def test_7_a_script_of_many_brackets_does_not_end_what_patches_it(tmp_path):
    pytest.importorskip("polarprior_patches", reason="polarprior-patches is not installed")
    pytest.importorskip("polarprior_stylegan3", reason="the repository is known by its plugin")
    for name in ("legacy.py", "avg_spectra.py", "training/networks_stylegan3.py", "torch_utils/persistence.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    script = "import click\n" + "(" * 3000 + ")" * 3000 + "\n"
    for name in ("gen_images.py", "gen_video.py"):
        (tmp_path / name).write_text(script)
    done = typed("patch", tmp_path)
    assert done.returncode >= 0, "ended by a signal"
    assert (tmp_path / "gen_images.py").read_text() == script
    assert "gen_images.py: left untouched" in done.stderr


def test_8_who_imports_a_patched_script_keeps_a_command_line_of_its_own(tmp_path):
    (tmp_path / "patched.py").write_text("import polarprior.stock.patched\n")
    (tmp_path / "tool.py").write_text("import patched, sys\nprint(sys.argv[1:])\n")
    words = [sys.executable, "tool.py", "--force", "--device", "cpu"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "['--force', '--device', 'cpu']\n")


def test_9_a_large_bank_that_was_changed_is_not_what_was_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("POLARPRIOR_CACHE", str(tmp_path / "cache"))
    path = toy_bank(700_000, 1.0, k=20).save(tmp_path / "bank")
    pp.Bank.open(path).log_volume()
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)  # of the last seed
        file.write(b"\xff")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(pp.PolarPriorError, match="is damaged"):
        pp.Bank.open(path).log_volume()


def test_10_what_would_have_to_be_guessed_is_refused(generator):
    bank = pp.build_bank(generator, 64, k=2)
    prior = pp.latent_sampler(generator, bank, 1e-6)
    latents = generator.prior.draw([3, 5])
    wrong = [
        lambda: prior.sample([0.5, 1.7]),
        lambda: prior.sample(np.array(["2020-01-01"], "datetime64[D]")),
        lambda: pp.latent_sampler(generator, bank, -0.1, draws=-5),
        *(
            lambda dtype=dtype: prior.redraw(latents.z.to(dtype))
            for dtype in (torch.float16, torch.bfloat16, torch.int64)
        ),
    ]
    for number, call in enumerate(wrong):
        with pytest.raises(pp.PolarPriorError):
            pytest.fail(f"{number} was taken, and gave {call()}")


def test_11_a_users_mistake_blames_no_plugin(generator):
    for words in ({"k": 2.0}, {"n": "10"}):
        with pytest.raises(pp.PolarPriorError) as refused:
            pp.build_bank(generator, **{"n": 8, "k": 2, **words})
        said = f"{refused.value.message} {refused.value.hint}"
        assert "authors" not in said
        assert said.startswith(f"{next(iter(words))}: got ")
    with pytest.raises(pp.PolarPriorError) as refused:
        pp.latent_sampler(generator, "path", -0.1)
    assert "authors" not in f"{refused.value.message} {refused.value.hint}"


CUT = """
import os, sys
import polarprior as pp
bank = pp.Bank.open(sys.argv[1])
os.truncate(sys.argv[1], 4096)
try:
    bank.log_volume()
except pp.PolarPriorError as error:
    print(error.message)
"""


def test_12_a_bank_that_is_cut_short_while_it_is_open_is_an_error(tmp_path):
    path = toy_bank(3000, 1.0).save(tmp_path / "bank")
    done = run(CUT, path)
    assert done.returncode == 0, "ended by a signal, as it is for memory that is mapped"
    assert "bank" in done.stdout
