"""Builds that are ended, shared and resumed: whatever happens, the bank is the one that nobody disturbed."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import polarprior as pp
import pytest
import torch
from polarprior.building import build, deciding, journal
from polarprior.building.lock import held
from polarprior.building.parts import Parts
from polarprior.building.plan import Request
from polarprior.building.ranks import Share, parse_share, share_of_environment
from polarprior.building.solver import Solver
from polarprior.errors import PolarPriorError, UsageError
from torch import nn

USERS_GENERATOR = """
import os, polarprior as pp, torch
from torch import nn

def make():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 600)), latent_dim=6)

class Deadly(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = make().network
    def forward(self, z):
        if os.path.exists("deadly") and "spawn_main" in " ".join(open("/proc/self/cmdline").read().split("\\0")):
            os.unlink("deadly")
            os.kill(os.getpid(), 9)
        return self.inner(z)

def deadly(): return pp.wrap(Deadly(), latent_dim=6)
"""
MODEL = "torch:users_generator:make"
BUILD = {"n": 120, "k": 4, "memory": 400_000}
"""13 latents at once, so 10 parts."""


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return pp.wrap(nn.Sequential(nn.Linear(6, 20), nn.Tanh(), nn.Linear(20, 600)), latent_dim=6)


@pytest.fixture(scope="module")
def expected(generator, tmp_path_factory):
    """The bytes of the bank that nobody disturbed."""
    path = tmp_path_factory.mktemp("expected") / "bank.safetensors"
    pp.build_bank(generator, **BUILD).save(path)
    return path.read_bytes()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "bank.safetensors"


def is_whole(out, expected):
    names = {file.name for file in out.parent.iterdir()}
    return out.read_bytes() == expected and names == {"bank.safetensors", "bank.log.jsonl", "README.md"}


def ended_after(monkeypatch, units, error=KeyboardInterrupt):
    """Let builds in this process end after so many units; the list of units that were begun."""
    begun = []
    solve = Solver.__call__

    def solve_some(self, unit):
        if len(begun) == units:
            raise error
        begun.append(unit)
        return solve(self, unit)

    monkeypatch.setattr(Solver, "__call__", solve_some)
    return begun


def interrupt(generator, out, monkeypatch, units=3, **changes):
    with monkeypatch.context() as patch:
        ended_after(patch, units)
        with pytest.raises(KeyboardInterrupt):
            pp.build_bank(generator, **{**BUILD, **changes}, out=out)


def test_a_build_in_a_file_is_the_one_in_memory(generator, out, expected):
    bank = pp.build_bank(generator, **BUILD, out=out)
    assert is_whole(out, expected)
    assert bank.path == out
    lines = [json.loads(line) for line in out.with_name("bank.log.jsonl").read_text().splitlines()]
    assert sum(line["latents"] for line in lines) == 120
    assert set(lines[0]) == {"time", "unit", "latents", "seconds", "worker"}


def test_an_interrupted_build_goes_on(generator, out, expected, monkeypatch):
    interrupt(generator, out, monkeypatch)
    assert not out.exists()
    assert len(list(out.with_name("bank.parts").glob("part-*"))) == 3
    begun = ended_after(monkeypatch, 10**6)
    pp.build_bank(generator, **BUILD, out=out)
    assert len(begun) == 7, "what was whole is not solved again"
    assert is_whole(out, expected)
    pp.build_bank(generator, **BUILD, out=out)
    assert len(begun) == 7, "the bank is there"


def test_a_resume_with_other_threads_is_refused_or_gives_the_same(generator, out, expected, monkeypatch):
    threads = torch.get_num_threads()
    interrupt(generator, out, monkeypatch)
    ended_after(monkeypatch, 10**6)
    try:
        torch.set_num_threads(threads + 1)
        with suppress(PolarPriorError):
            pp.build_bank(generator, **BUILD, out=out)
            assert is_whole(out, expected)
    finally:
        torch.set_num_threads(threads)
    pp.build_bank(generator, **BUILD, out=out)
    assert is_whole(out, expected)


@pytest.mark.parametrize("seconds", [-(10**9), 10**9])
def test_a_clock_that_jumps_changes_nothing(generator, out, expected, monkeypatch, seconds):
    interrupt(generator, out, monkeypatch)
    ended_after(monkeypatch, 10**6)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + seconds)
    monkeypatch.setattr(journal, "datetime", Jumped(seconds))
    for each in out.with_name("bank.parts").iterdir():
        os.utime(each, (max(now() - seconds, 0), max(now() - seconds, 0)))
    pp.build_bank(generator, **BUILD, out=out)
    assert is_whole(out, expected)


class Jumped:
    def __init__(self, seconds):
        self._by = timedelta(seconds=seconds)

    def now(self, zone):
        return datetime.now(zone) + self._by


def test_damaged_parts_are_solved_again(generator, out, expected, monkeypatch):
    interrupt(generator, out, monkeypatch)
    first, second, third = sorted(out.with_name("bank.parts").glob("part-*"))
    first.write_bytes(first.read_bytes()[:-5])
    second.write_bytes(third.read_bytes())
    (out.with_name("bank.parts") / ".part.tmp").touch()
    begun = ended_after(monkeypatch, 10**6)
    pp.build_bank(generator, **BUILD, out=out)
    assert len(begun) == 9
    assert is_whole(out, expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n": 121}, "a build with n 120, got 121"),
        ({"k": 3}, "a build with k 4, got 3"),
        ({"tol": 0.5}, r"a build with tol 0\.05, got 0\.5"),
        ({"seeds_from": 1}, "a build with seeds_from 0, got 1"),
        ({"estimator": "block-lanczos"}, "a build with estimator None, got block-lanczos"),
        ({"memory": 500_000}, "a build with memory 400000, got 500000"),
    ],
)
def test_another_build_is_refused_by_its_field(generator, out, monkeypatch, change, words):
    interrupt(generator, out, monkeypatch)
    with pytest.raises(PolarPriorError, match=words):
        pp.build_bank(generator, **{**BUILD, **change}, out=out)
    assert len(list(out.with_name("bank.parts").glob("part-*"))) == 3, "nothing is lost"


def test_another_model_is_refused_by_its_field(generator, out, monkeypatch, expected):
    interrupt(generator, out, monkeypatch)
    for field, other in {
        "fingerprint": replace(generator, fingerprint="f" * 64),
        "trunc": replace(generator, settings=pp.Settings(trunc=0.5)),
        "plugin_version": replace(generator, version="9"),
    }.items():
        with pytest.raises(PolarPriorError, match=f"a build with {field} "):
            pp.build_bank(other, **BUILD, out=out)
    pp.build_bank(generator, **BUILD, out=out)
    assert is_whole(out, expected)
    with pytest.raises(PolarPriorError, match=r"a bank with fingerprint .*; got ffff"):
        pp.build_bank(replace(generator, fingerprint="f" * 64), **BUILD, out=out)
    with pytest.raises(PolarPriorError, match="a bank with n 120; got 60"):
        pp.build_bank(generator, **{**BUILD, "n": 60}, out=out)
    assert is_whole(out, expected)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_build_goes_on_with_compile_as_it_was_begun(generator, out, expected, monkeypatch, compiled):
    monkeypatch.setattr(torch, "compile", lambda graph, **_: graph)
    interrupt(generator, out, monkeypatch, compile=compiled)
    plan = json.loads((out.with_name("bank.parts") / "plan.json").read_text())
    assert ("compile" in plan["request"]) == compiled, "plans from before there was compile go on"
    with pytest.raises(PolarPriorError, match=f"a build with compile {compiled}, got {not compiled}") as raised:
        pp.build_bank(generator, **BUILD, compile=not compiled, out=out)
    assert raised.value.hint.startswith("use compile=True, ") == compiled
    found = pp.build_bank(generator, **BUILD, compile=compiled, out=out)
    assert is_whole(out, expected) or compiled
    assert len(found) == 120


def test_a_damaged_plan_is_said_to_be(generator, out, monkeypatch):
    interrupt(generator, out, monkeypatch)
    plan = out.with_name("bank.parts") / "plan.json"
    for text in ("", "{", "[]", "{}", plan.read_text()[:-9], "[" * 10**5, '{"request":3,"settings":{}}'):
        plan.write_text(text)
        with pytest.raises(PolarPriorError, match=r"holds a build with|is damaged"):
            pp.build_bank(generator, **BUILD, out=out)


def test_a_calibration_is_taken_once(generator, out, monkeypatch):
    whole = pp.build_bank(generator, **BUILD, estimator="tangent-only")
    interrupt(generator, out, monkeypatch, estimator="tangent-only")
    with monkeypatch.context() as patch:
        patch.setattr(deciding, "calibrate", None)
        resumed = pp.build_bank(generator, **BUILD, estimator="tangent-only", out=out)
    assert resumed.info == whole.info
    assert not out.with_name("bank.parts").exists()


def test_a_damaged_calibration_is_not_used(generator, out, monkeypatch):
    interrupt(generator, out, monkeypatch, estimator="tangent-only")
    file = out.with_name("bank.parts") / "calibration.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with pytest.raises(PolarPriorError, match=r"calibration .* is damaged"):
        pp.build_bank(generator, **BUILD, estimator="tangent-only", out=out)


def test_a_build_that_fails_at_once_leaves_nothing(generator, out, monkeypatch):
    interrupt(generator, out, monkeypatch, units=0)
    with pytest.raises(UsageError):
        pp.build_bank(generator, **BUILD, space="taste", out=out)
    assert list(out.parent.iterdir()) == []


def test_it_is_said_who_builds_there(generator, out):
    parts = Parts(out.with_name("bank.parts"))
    with (
        held(parts.lock(), "bank"),
        pytest.raises(PolarPriorError, match=f"is being built by process {os.getpid()} on"),
    ):
        pp.build_bank(generator, **BUILD, out=out)


def test_what_is_not_a_bank_is_not_written_over(generator, out):
    out.write_text("mine")
    with pytest.raises(PolarPriorError, match="exists already"):
        pp.build_bank(generator, **BUILD, out=out)
    assert out.read_text() == "mine"


def build_share(out, generator, request, share):
    return build.build_at(pp.Host(), generator, request, out, build.Labour(share=share))


def test_shares_of_a_build(generator, out, expected):
    request = Request(120, 4, "pixel", "z", None, 0, None, 0.05, 400_000)
    shares = [Share(number, 3, 0) for number in (1, 2, 3)]
    assert build_share(out, generator, request, shares[0]) is None
    assert build_share(out, generator, request, shares[0]) is None, "its parts are done, the others' are not"
    assert build_share(out, generator, request, shares[2]) is None
    bank = build_share(out, generator, request, shares[1])
    assert len(bank) == 120
    assert is_whole(out, expected)
    assert build_share(out, generator, request, shares[2]).info == bank.info


def test_a_share_that_nobody_took_is_solved_by_a_build_without_shares(generator, out, expected):
    request = Request(120, 4, "pixel", "z", None, 0, None, 0.05, 400_000)
    assert build_share(out, generator, request, Share(1, 2, 0)) is None
    pp.build_bank(generator, **BUILD, out=out)
    assert is_whole(out, expected)


def test_the_last_share_waits_for_one_that_only_looks(generator, out, expected):
    request = Request(120, 4, "pixel", "z", None, 0, None, 0.05, 400_000)
    assert build_share(out, generator, request, Share(1, 2, 0)) is None
    looking = threading.Event()

    def look():
        with held(out.with_name("bank.parts") / "lock", "bank", shared=True):
            looking.set()
            time.sleep(3)

    other = threading.Thread(target=look)
    other.start()
    looking.wait()
    assert len(build_share(out, generator, request, Share(2, 2, 1))) == 120
    other.join()
    assert is_whole(out, expected)


def test_a_lock_whose_folder_goes_while_it_is_waited_for(tmp_path):
    path = tmp_path / "bank.parts" / "lock"

    def work():
        with held(path, "bank"):
            time.sleep(1)
            path.unlink()
            path.parent.rmdir()

    other = threading.Thread(target=work)
    other.start()
    time.sleep(0.3)
    with held(path, "bank", wait=10.0):
        assert path.exists()
    other.join()


def test_a_finished_bank_with_other_seeds_or_less_care_is_another(generator, out):
    pp.build_bank(generator, 20, 4, estimator="block-lanczos", tol=0.5, out=out)
    with pytest.raises(PolarPriorError, match=r"a bank with tol 0\.5; got 0\.001"):
        pp.build_bank(generator, 20, 4, estimator="block-lanczos", tol=0.001, out=out)
    with pytest.raises(PolarPriorError, match="a bank with estimator block-lanczos; got exact"):
        pp.build_bank(generator, 20, 4, out=out)
    with pytest.raises(PolarPriorError, match="a bank with seeds 0 to 19; got 5 to 24"):
        pp.build_bank(generator, 20, 4, seeds_from=5, out=out)


def test_whose_share_it_is():
    assert share_of_environment({"SLURM_PROCID": "1", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "2"}).count == 2
    assert parse_share("2/8") == Share(2, 8, 1)
    slurm = {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1"}
    assert share_of_environment(slurm) == Share(4, 4, 1)
    assert share_of_environment({"RANK": "0", "WORLD_SIZE": "2"}) == Share(1, 2, 0)
    assert share_of_environment({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}) is None
    assert share_of_environment({}) is None
    for text in ("0/2", "3/2", "1", "a/b", "1/0", "-1/2"):
        with pytest.raises(UsageError, match="expected i/n"):
            parse_share(text)


@pytest.fixture
def users(tmp_path, monkeypatch):
    """A folder with a user's module, which workers can load too."""
    (tmp_path / "users_generator.py").write_text(USERS_GENERATOR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "users_generator", raising=False)
    return tmp_path


def test_workers_make_no_difference(users, expected):
    for workers in (2, 3):
        out = users / f"w{workers}" / "bank.safetensors"
        pp.build_bank(pp.load(MODEL, "cpu"), **BUILD, out=out, workers=workers)
        assert is_whole(out, expected)


def test_ray_makes_no_difference(users, expected):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'polarprior[ray]'")
    out = users / "ray" / "bank.safetensors"
    pp.build_bank(pp.load(MODEL, "cpu"), **BUILD, out=out, workers=2, engine="ray")
    assert is_whole(out, expected)


def test_a_worker_that_is_killed_is_replaced_by_the_others(users):
    generator = pp.load("torch:users_generator:deadly", "cpu")
    whole = pp.build_bank(generator, **BUILD)
    (users / "deadly").touch()
    with pytest.warns(UserWarning, match="a worker was killed by SIGKILL; the others go on"):
        bank = pp.build_bank(generator, **BUILD, workers=2)
    assert bank.info == whole.info


def test_what_a_worker_raises_is_raised_here(users, monkeypatch):
    generator = replace(pp.load(MODEL, "cpu"), source="torch:users_generator:deadly")
    with pytest.raises(UsageError, match="deadly gives other weights each time"):
        pp.build_bank(generator, **BUILD, workers=2)
    monkeypatch.setattr("polarprior.building.build._check_loads_alike", lambda *_: None)
    with pytest.raises(PolarPriorError, match=r"torch:users_generator:deadly on .*: fingerprint is"):
        pp.build_bank(generator, **BUILD, workers=2)
    with pytest.raises(UsageError, match=r"workers: got 2 .* a model that they can't load"):
        pp.build_bank(replace(generator, source=None), **BUILD, workers=2)
    with pytest.raises(UsageError, match=r"^engine: got 'cloud'"):
        pp.build_bank(generator, **BUILD, engine="cloud")
    with pytest.raises(UsageError, match=r"^workers: got 0"):
        pp.build_bank(generator, **BUILD, workers=0)


def test_a_killed_build_goes_on(users, expected):
    """SIGKILL to the driver alone: its workers end by themselves, and the next build takes up what is whole."""
    arguments = [
        "-n",
        "120",
        "-k",
        "4",
        "--memory",
        "400000",
        "--workers",
        "2",
        "--device",
        "cpu",
        "--out",
        "out/bank",
    ]
    command = [sys.executable, "-m", "polarprior.cli", "bank", "build", MODEL, *arguments]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(users.glob("out/bank.parts/part-*")) and killed.poll() is None:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "it was still at work"
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert is_whole(users / "out" / "bank.safetensors", expected)


def test_a_full_disk_that_gets_room(users, expected):
    """A file-size limit stands for the disk: the parts fit, and the bank doesn't."""
    arguments = ["-n", "120", "-k", "4", "--memory", "400000", "--device", "cpu", "--out", "out/bank"]
    command = [sys.executable, "-m", "polarprior.cli", "bank", "build", MODEL, *arguments]
    limit = (3000, 3000)
    ended = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    )
    assert ended.returncode == 1
    assert "error: can't write out/bank.safetensors: File too large" in ended.stderr
    assert len(list(users.glob("out/bank.parts/part-*"))) == 10
    assert not (users / "out" / "bank.safetensors").exists()
    pp.build_bank(pp.load(MODEL, "cpu"), **BUILD, out=users / "out" / "bank")
    assert is_whole(users / "out" / "bank.safetensors", expected)
