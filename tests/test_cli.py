"""The command line as a user types it: outputs, exit codes, one line of error and one of hint."""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
from PIL import Image
from polarprior.cli.main import main
from safetensors.numpy import save_file
from toys import toy_bank

MODEL = "torch:users_generator:make"
USERS_GENERATOR = """
import polarprior as pp, torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first, self.second = nn.Linear(8, width), nn.Linear(width, 3 * 16 * 16)
    def forward(self, z):
        return torch.tanh(self.second(torch.nn.functional.leaky_relu(self.first(z), 0.2)) * 3).reshape(-1, 3, 16, 16)

def make(width=12, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return pp.wrap(Net(width), latent_dim=8)

def other(): return make(13)
def points():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return pp.wrap(nn.Linear(8, 9), latent_dim=8)
def crash(): raise KeyError("no such thing")

class Conditional(Net):
    def forward(self, z, label):
        return super().forward(z) * (0.5 + 0.25 * label[:, None, None, None])

def conditional():
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return pp.wrap(Conditional(12), latent_dim=8, num_classes=3)

class Bright(nn.Module):
    def forward(self, z): return 255 * z[:, :, None, None].repeat(1, 3, 2, 2)[:, :3]
def bright(): return pp.wrap(Bright(), latent_dim=3)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a user's module and a bank of it."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "users_generator.py").write_text(USERS_GENERATOR)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["bank", "build", MODEL, "--out", "bank.safetensors", "-n", "600", "-k", "5"]) == 0
        assert main(["bank", "build", "torch:users_generator:points", "--out", "points", "-n", "600", "-k", "5"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Run a command in the user's folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(folder)

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def fails(run, folder):
    """Run a command that must fail cleanly: its error line, its hint line."""

    def fails(*arguments, code):
        before = sorted(folder.rglob("*"))
        got, out, err = run(*arguments)
        lines = [line for line in err.splitlines() if line.startswith(("error:", "hint:"))]
        assert got == code, err
        assert len(lines) == 2, err
        assert lines[0].startswith("error: ")
        assert lines[1].startswith("hint: ")
        assert "Traceback" not in err + out
        assert sorted(folder.rglob("*")) == before, "something was left behind"
        return lines

    return fails


def test_help_does_not_import_torch():
    code = (
        "import sys; from polarprior.cli.main import main\n"
        "for words in (['--help'], ['bank', 'build', '--help'], ['sample', '--help']): main(words)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_no_command_shows_help(run):
    code, out, err = run()
    assert code == 2
    assert "Draw:" in out + err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["polarprior", "sam"], ["sample"]),
        (["polarprior", "bank", "p"], ["pull", "push"]),
        (["polarprior", "sample", "--pol"], ["--polarity"]),
        (["polarprior", "ground"], ["ground-metric"]),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_words(shell, words, expected, monkeypatch, capsys):
    """As the script asks for it that ``_POLARPRIOR_COMPLETE=SHELL_source polarprior`` prints."""
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", words[-1] if shell == "fish" else str(len(words) - 1))
    monkeypatch.setenv("_POLARPRIOR_COMPLETE", f"{shell}_complete")
    with pytest.raises(SystemExit):
        main([])
    lines = capsys.readouterr().out.splitlines()
    found = lines[1::3] if shell == "zsh" else [line.split(",", 1)[1].split("\t")[0] for line in lines]
    assert sorted(found) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_get_a_script(shell, monkeypatch, capsys):
    monkeypatch.setenv("_POLARPRIOR_COMPLETE", f"{shell}_source")
    with pytest.raises(SystemExit):
        main([])
    script = capsys.readouterr().out
    assert f"_POLARPRIOR_COMPLETE={shell}_complete" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_sample_writes_what_python_draws(run, folder, tmp_path):
    code, out, _ = run("sample", MODEL, *BANK, "--polarity", "-0.1", "--seeds", "0-3,9", "--out", tmp_path)
    assert code == 0
    assert "ESS" in out
    names = {
        "seed0000.png",
        "seed0001.png",
        "seed0002.png",
        "seed0003.png",
        "seed0009.png",
        "samples.json",
        "samples.png",
    }
    assert {file.name for file in tmp_path.iterdir()} == names
    generator = pp.load(MODEL)
    sampler = pp.latent_sampler(generator, pp.Bank.open("bank.safetensors"), rho=-0.1)
    image = generator(sampler.sample([9]))[0]
    pixels = np.asarray(Image.open(tmp_path / "seed0009.png")).astype(int)
    assert abs(pixels - ((image * 127.5 + 128).clamp(0, 255)).numpy().transpose(1, 2, 0).astype(int)).max() <= 1


def test_seeds_and_sample_agree(run, tmp_path):
    code, out, err = run("seeds", "bank.safetensors", "--polarity", "-0.1", "-n", "40")
    assert code == 0
    assert "ESS" in err
    arguments = (*BANK, "--polarity", "-0.1", "--seeds", "0-39", "--out", tmp_path)
    assert run("sample", MODEL, *arguments)[0] == 0
    drawn = json.loads((tmp_path / "samples.json").read_text())["drawn"]
    assert list(map(int, out.split(","))) == [drawn[str(seed)] for seed in range(40)]
    assert any(int(seed) != row for seed, row in drawn.items())


def test_sweep_and_its_table(run, tmp_path):
    code, out, _ = run("sweep", MODEL, *BANK, "--out", tmp_path, "--seeds", "0-8")
    assert code == 0
    document = json.loads((tmp_path / "sweep.json").read_text())
    rhos = [row["rho"] for row in document["rows"]]
    assert len(rhos) == 5
    assert rhos == sorted(rhos)
    low, high = document["rows"][0]["limits"]
    assert low <= rhos[0] < rhos[-1] <= high
    means = [row["mean_log_volume"] for row in document["rows"]]
    assert means == sorted(means), "log-volume rises with rho"
    assert "k-hat" in out
    assert Image.open(tmp_path / "sweep.png").width > 9 * 16


def test_demo_keeps_its_bank(run, tmp_path):
    assert run("demo", MODEL, "-n", "500", "-k", "4", "--out", tmp_path)[0] == 0
    before = (tmp_path / "bank.safetensors").read_bytes(), (tmp_path / "sweep.png").read_bytes()
    assert "asked for 400, k 4" in run("demo", MODEL, "-n", "400", "-k", "4", "--out", tmp_path)[2]
    code, out, _ = run("demo", MODEL, "-n", "500", "-k", "4", "--out", tmp_path)
    assert code == 0
    assert "used as it is" in out
    assert before == ((tmp_path / "bank.safetensors").read_bytes(), (tmp_path / "sweep.png").read_bytes())


def test_info_and_verify(run):
    code, out, _ = run("bank", "info", "bank.safetensors", "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 600
    code, out, _ = run("bank", "info", "bank.safetensors")
    assert "limits of rho" in out
    code, out, _ = run("bank", "verify", "bank.safetensors", "--model", MODEL, "--json")
    assert code == 0
    assert json.loads(out)["largest_error"] < 1e-4
    assert "600 rows" in run("bank", "verify", "bank.safetensors")[1]


def test_info_of_a_bank_with_classes(run, tmp_path):
    toy_bank(rows=800, std=2.0, num_classes=2).save(tmp_path / "classes")
    code, out, _ = run("bank", "info", tmp_path / "classes", "--json")
    assert code == 0
    assert [group["label"] for group in json.loads(out)["groups"]] == [0, 1]
    assert "class 1:" in run("bank", "info", tmp_path / "classes")[1]
    code, out, _ = run("seeds", tmp_path / "classes", "--polarity", "0.3", "-n", "5", "--class", "1")
    assert code == 0
    assert all(int(seed) % 2 == 1 for seed in out.split(","))


def test_merge_and_top(run, folder, tmp_path):
    build = ("bank", "build", MODEL, "-n", "100", "-k", "5")
    for start in (0, 100):
        assert run(*build, "--seeds-from", start, "--out", tmp_path / f"from{start}")[0] == 0
    code, out, _ = run("bank", "merge", tmp_path / "from100", tmp_path / "from0", "--out", tmp_path / "all")
    assert code == 0
    assert "200 latents of 2 banks" in out
    code, out, _ = run("bank", "verify", tmp_path / "all", "--model", MODEL, "--json")
    assert json.loads(out)["rows"] == 200
    merged, bank = pp.Bank.open(tmp_path / "all"), pp.Bank.open(folder / "bank")
    np.testing.assert_allclose(merged.log_volume(), bank.log_volume()[:200], atol=1e-5)
    code, out, _ = run("bank", "top", tmp_path / "all", "-n", "3", "--json")
    modes, anti_modes = json.loads(out)
    assert modes["seeds"] == merged.seeds[np.argsort(merged.log_volume())[:3]].tolist()
    assert ",".join(map(str, anti_modes["seeds"])) in run("bank", "top", tmp_path / "all", "-n", "3")[1]


def test_shares_by_the_environment(run, tmp_path, monkeypatch):
    build = ("bank", "build", MODEL, "-n", "60", "-k", "5", "--memory", "200k", "--out", tmp_path / "bank")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    code, out, _ = run(*build)
    assert code == 0
    assert "share 2/2 is done; others are still missing" in out
    code, out, _ = run(*build, "--shard", "1/2")
    assert code == 0
    assert "60 latents" in out
    assert run("bank", "verify", tmp_path / "bank", "--model", MODEL)[0] == 0


CONDITIONAL = "torch:users_generator:conditional"


def test_a_model_with_classes(run, fails, tmp_path):
    bank = tmp_path / "classes"
    assert run("bank", "build", CONDITIONAL, "--out", bank, "-n", "1200", "-k", "4")[0] == 0
    code, _, _ = run("sweep", CONDITIONAL, "--bank", bank, "--class", "1", "--out", tmp_path / "sweep")
    assert code == 0
    rows = json.loads((tmp_path / "sweep/sweep.json").read_text())["rows"]
    assert {row["label"] for row in rows} == {1}
    arguments = ("--bank", bank, "--class", "2", "--polarity", "0", "--seeds", "2,5,0", "--out", tmp_path / "out")
    code, out, _ = run("sample", CONDITIONAL, *arguments)
    assert code == 0
    assert "is no row of this bank: such a seed is replaced at any rho" in out
    drawn = json.loads((tmp_path / "out/samples.json").read_text())["drawn"]
    assert (drawn["2"], drawn["5"]) == (2, 5), "at rho 0 the rows of the class stay themselves"
    assert drawn["0"] % 3 == 2, "another seed becomes a row of the class"
    for command in (
        ("sweep", CONDITIONAL, "--bank", bank, "--out", "p"),
        ("sample", CONDITIONAL, "--bank", bank, "--polarity", "0", "--seeds", "0", "--out", "p"),
        ("demo", CONDITIONAL, "--out", "p"),
    ):
        assert "needs one of its 3 classes" in fails(*command, code=2)[0]
    assert "got 7" in fails("seeds", bank, "--polarity", "0", "-n", "1", "--class", "7", code=2)[0]
    assert (
        "--per-class shows every class"
        in fails("modes", CONDITIONAL, "--bank", bank, "--class", "1", "--per-class", code=2)[0]
    )
    assert (
        run("modes", CONDITIONAL, "--bank", bank, "--per-class", "--raw", "-n", "2", "--out", tmp_path / "modes")[0]
        == 0
    )
    groups = json.loads((tmp_path / "modes/modes.json").read_text())["groups"]
    assert [[seed % 3 for seed in group["seeds"]] for group in groups] == [[0, 0], [1, 1], [2, 2]]
    code, out, _ = run("demo", CONDITIONAL, "--class", "1", "-n", "300", "-k", "3", "--out", tmp_path / "demo")
    assert code == 0
    following = out.split("next: polarprior ")[1].split()
    assert run(*following)[0] == 0, "the next command that it names works"


def test_all_classes_in_one_file_for_the_evaluator(run, fails, tmp_path):
    bank, of_two = tmp_path / "classes", tmp_path / "two"
    assert run("bank", "build", CONDITIONAL, "--out", bank, "-n", "300", "-k", "4")[0] == 0
    assert run("bank", "build", CONDITIONAL, "--class", "0,2", "--out", of_two, "-n", "300", "-k", "4")[0] == 0
    law = ("--bank", bank, "--polarity", "0.05")
    for law_of, expected in (((), [0, 1, 2, 0, 1, 2, 0]), (law, [0, 1, 2, 0, 1, 2, 0])):
        out = tmp_path / "all.npz"
        assert run("sample", CONDITIONAL, *law_of, "--class", "all", "--seeds", "0-6", "--npz", out)[0] == 0
        with np.load(out) as arrays:
            assert arrays["arr_0"].shape[0] == 7
            assert arrays["arr_1"].tolist() == expected
    document = json.loads((tmp_path / "all.json").read_text())
    assert document["class"] == "all"
    assert [int(seed) % 3 for seed in document["drawn"].values()] == expected, "each stays in its class"
    assert {law["class"] for law in document["laws"]} == {0, 1, 2}
    law = ("--bank", of_two, "--polarity", "0.05", "--class", "all", "--seeds", "0-3", "--npz", out)
    assert run("sample", CONDITIONAL, *law)[0] == 0
    with np.load(out) as arrays:
        assert arrays["arr_1"].tolist() == [0, 2, 0, 2], "the classes of the bank, in turn"
    assert "has no classes" in fails("sample", MODEL, "--class", "all", "--seeds", "0", "--npz", out, code=2)[0]


def test_sampling_into_a_folder_with_other_pictures(run, tmp_path):
    arguments = ("sample", MODEL, *BANK, "--out", tmp_path, "--polarity", "0.1", "--seeds")
    assert run(*arguments, "0-3")[0] == 0
    code, _, err = run(*arguments, "2-5")
    assert code == 0
    assert "holds 2 pictures of other draws" in err
    assert set(json.loads((tmp_path / "samples.json").read_text())["drawn"]) == {"2", "3", "4", "5"}


def test_plugins_and_doctor(run):
    code, out, _ = run("plugins", "--json")
    assert code == 0
    assert isinstance(json.loads(out), list)
    code, out, _ = run("doctor")
    assert code == 0
    assert "torch" in out
    assert "device" in out


def test_the_same_command_gives_the_same_bytes(run, tmp_path):
    for name in ("one", "two"):
        arguments = (*BANK, "--polarity", "0.1", "--seeds", "0-4", "--out", tmp_path / name)
        assert run("sample", MODEL, *arguments)[0] == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


BANK = ("--bank", "bank.safetensors")
BUILD = ("bank", "build", MODEL, "--out", "new", "-n", "5", "-k", "5")
ONE = ("--polarity", "0", "--seeds", "1", "--out", "p")
SAMPLE = ("sample", MODEL, "--seeds", "0", "--out", "pictures", "--polarity")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((*SAMPLE, "0.1", "--bank", "missing"), 1, "no file missing"),
        ((*SAMPLE, "0.1"), 2, "--bank: none given"),
        ((*SAMPLE, "x"), 2, "'x'"),
        ((*SAMPLE, "nan", *BANK), 2, "finite"),
        ((*SAMPLE, "5", *BANK), 1, "limits|expected"),
        ((*SAMPLE, "0.1", *BANK, "-k", "6"), 2, "expected 1 to 5"),
        ((*SAMPLE, "0.1", *BANK, "-k", "0"), 2, "expected 1 to 5"),
        ((*SAMPLE, "0.1", *BANK, "--class", "1"), 2, "has no classes"),
        ((*SAMPLE, "0.1", *BANK, "--sampler", "magic"), 2, "--sampler: got 'magic', expected one of bank, online"),
        ((*SAMPLE, "0.1", *BANK, "--device", "magic"), 2, "--device: got 'magic'"),
        ((*SAMPLE, "0.1", *BANK, "--bogus"), 2, "--bogus"),
        ((*SAMPLE, "0.1", "--bank", "."), 1, "is a folder"),
        (("sample", MODEL, "--polarity", "0", "--seeds", "3-1", "--out", "p"), 2, "expected numbers and ranges"),
        (("sample", MODEL, "--polarity", "0", "--seeds", "0-99999999999", "--out", "p"), 2, "expected numbers"),
        (("sample", MODEL, "--polarity", "0", "--seeds", "4294967296", "--out", "p", *BANK), 2, "seed"),
        (("sample", "nope", *ONE), 2, "no plugin 'nope'"),
        (("sample", "torch:users_generator:crash", *ONE), 1, "KeyError"),
        (("sample", "torch:users_generator:other", *ONE, *BANK), 1, "fingerprint"),
        (("sample", "torch:users_generator:points", *ONE, "--bank", "points"), 2, "pictures|images"),
        (("bank", "build", MODEL, "--out", "new", "-n", "5", "-k", "9"), 2, "expected 1 to 8"),
        (("bank", "build", MODEL, "--out", "new", "-n", "0", "-k", "5"), 2, "-n"),
        ((*BUILD, "--space", "taste"), 2, "--space: got 'taste'"),
        ((*BUILD, "--domain", "w"), 2, "--domain: got 'w'"),
        ((*BUILD, "--trunc", "0.5"), 2, "got trunc 0.5"),
        ((*BUILD, "--class", "1"), 2, "no classes"),
        (
            ("bank", "build", MODEL, "--out", "bank.safetensors", "-n", "5", "-k", "5"),
            1,
            "exists already, a bank with n 600; got 5",
        ),
        (("bank", "build", MODEL, "--out", "bank.safetensors/new", "-n", "5", "-k", "5"), 1, "can't write"),
        (("bank", "build", MODEL, "--out", "/proc/new", "-n", "5", "-k", "5"), 1, "can't write /proc/new"),
        ((*BUILD, "--seeds-from", "-1"), 2, "seed"),
        ((*BUILD, "--estimator", "magic"), 2, "--estimator: got 'magic', expected one of exact"),
        ((*BUILD, "--tol", "0"), 2, "--tol: got 0"),
        ((*BUILD, "--tol", "nan"), 2, "--tol: got nan"),
        ((*BUILD, "--memory", "5X"), 2, "expected a size such as 4G"),
        ((*BUILD, "--memory", "100"), 2, "--memory: got 100 bytes, expected at least"),
        (("bank", "verify", "bank.safetensors", "--model", "torch:users_generator:other"), 1, "fingerprint"),
        (("bank", "build", MODEL, "--out", "/", "-n", "5", "-k", "5"), 2, "is a folder"),
        ((*BUILD, "--workers", "0"), 2, "--workers: got 0"),
        ((*BUILD, "--engine", "cloud"), 2, "--engine: got 'cloud', expected one of local, ray"),
        ((*BUILD, "--shard", "3/2"), 2, "--shard: got '3/2', expected i/n"),
        (("bank", "merge", "bank.safetensors", "--out", "new"), 2, "BANK: got 1, expected at least two"),
        (("bank", "merge", "bank", "bank", "--out", "new"), 1, "seed 0 is in two of the banks"),
        (("bank", "merge", "bank", "points", "--out", "new"), 1, "fingerprint is"),
        (("bank", "merge", "bank", "missing", "--out", "new"), 1, "no file missing"),
        (("bank", "top", "bank", "-n", "601"), 2, "expected 1 to 600"),
        (("bank", "top", "bank", "--class", "1"), 2, "no classes"),
        (("bank", "info", "missing"), 1, "no file"),
        (("bank", "bogus"), 2, "bogus"),
        (("bogus",), 2, "bogus"),
        (("seeds", "bank.safetensors", "--polarity", "0.1", "-n", "601"), 2, "expected 1 to 600"),
        (("seeds", "bank.safetensors", "--polarity", "0.1", "-n", "1", "--class", "0"), 2, "has no classes"),
        (("sweep", MODEL, *BANK, "--out", "p", "--polarity", "0,a"), 2, "0,a"),
        (("demo", "nope"), 2, "no plugin 'nope'"),
        (("torch",), 2, "torch"),
        (("sample", "torch", *ONE), 2, "expected torch:MODULE:FUNCTION"),
        (("bank", "info", "x" * 300), 1, "x"),
        (("bank", "build", MODEL, "--out", "x" * 300, "-n", "5", "-k", "5"), 1, "x"),
        (("bank", "info", "."), 1, "is a folder"),
        (("sweep", MODEL, *BANK, "--out", "p", "--polarity", "5"), 1, "needed"),
        (("sweep", "torch:users_generator:points", "--bank", "points", "--out", "p"), 2, "changes nothing"),
        (("bank", "build", MODEL, "--out", "new/folder/bank", "-n", "5", "-k", "50"), 2, "expected 1 to 8"),
        ((*BUILD, "--space", "nope:pixel"), 2, "no plugin 'nope'"),
    ],
)
def test_bad_input(fails, arguments, code, words):
    error, _ = fails(*arguments, code=code)
    assert re.search(words, error), error


def test_a_build_says_what_it_is_accurate_to(run, tmp_path):
    out = tmp_path / "bank"
    build = ("bank", "build", MODEL, "--out", out, "-n", "20", "-k", "3", "--estimator", "tangent-only")
    code, text, err = run(*build, "--tol", "0.5", "--memory", "1g")
    assert code == 0, err
    assert re.search(
        r"log-volumes: tangent-only: largest error .* tolerance 0\.5 \(20 latents solved exactly\)", text
    )
    assert "calibration: 100%" in err
    assert "bank: 100%|" in err
    code, text, _ = run("bank", "info", out)
    assert re.search(r"^accuracy +tangent-only: largest error", text, re.M)
    assert json.loads(run("bank", "info", out, "--json")[1])["estimator"]["audited"] == 20


@pytest.mark.parametrize("damage", ["truncated", "foreign", "not safetensors", "empty", "NaN"])
@pytest.mark.parametrize(
    "command",
    [
        ("bank", "info", "{}"),
        ("bank", "verify", "{}"),
        ("seeds", "{}", "--polarity", "0.1", "-n", "3"),
        ("sample", MODEL, "--bank", "{}", "--polarity", "0.1", "--seeds", "0", "--out", "p"),
        ("sweep", MODEL, "--bank", "{}", "--out", "p"),
    ],
)
def test_damaged_banks(fails, folder, tmp_path, damage, command):
    bad = tmp_path / "bad"
    good = (folder / "bank.safetensors").read_bytes()
    if damage == "foreign":
        save_file({"w": np.zeros(3)}, bad)
    elif damage == "NaN":
        bank = pp.Bank.open(folder / "bank.safetensors")
        tensors = {name: array.copy() for name, array in bank.columns().items()}
        tensors["log_singular_values"][5, 2] = np.nan
        pp.Bank.of(bank.info, tensors).save(bad)
    else:
        bad.write_bytes({"truncated": good[:-1], "not safetensors": b"<html>" * 99, "empty": b""}[damage])
    fails(*(word.format(bad) for word in command), code=1)


def _as_subprocess(folder, *arguments, file_size=None, obey_permissions=False):
    """`polarprior ARGUMENTS` in a process of its own, with a limit on the size of files it may write.

    `obey_permissions`: where the tests run as root, without root's right to write where permissions forbid it.
    """

    def prepare():
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        if obey_permissions and os.geteuid() == 0:
            drop_from_bounding_set, cap_dac_override = 24, 1
            ctypes.CDLL(None).prctl(drop_from_bounding_set, cap_dac_override, 0, 0, 0)

    return subprocess.run(
        [sys.executable, "-m", "polarprior.cli", *map(str, arguments)],
        cwd=folder,
        preexec_fn=prepare,
        capture_output=True,
        text=True,
    )


def test_a_full_disk(folder):
    """A file-size limit stands for the disk: no room for the bank leaves no bank and no rest of one."""
    before = sorted(folder.rglob("*"))
    done = _as_subprocess(folder, "bank", "build", MODEL, "--out", "big", "-n", "600", "-k", "5", file_size=4096)
    assert done.returncode == 1
    assert "error: can't write big.parts" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(folder.rglob("*")) == before


def test_a_folder_without_permission(folder, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    arguments = ("bank", "build", MODEL, "--out", closed / "bank", "-n", "5", "-k", "5")
    done = _as_subprocess(folder, *arguments, obey_permissions=True)
    assert done.returncode == 1, done.stderr
    assert "error: can't write" in done.stderr
    assert not any(closed.iterdir())


def test_debug_shows_the_traceback(folder):
    done = _as_subprocess(folder, "--debug", "bank", "info", "missing")
    assert "Traceback" in done.stderr


def test_pictures_of_the_models_own_prior(run, folder):
    """sample without --polarity: no bank, no law, and nothing that only a law could use."""
    got, out, err = run("generate", MODEL, "--seeds", "0,3", "--out", "own")
    assert got == 0, err
    assert "2 pictures of the model's own prior" in out
    assert sorted(path.name for path in (folder / "own").iterdir()) == ["seed0000.png", "seed0003.png"]
    for option in (
        ("--force",),
        ("-k", "2"),
        ("--support", "shell"),
        ("--sampler", "online"),
        ("--hold", "contrast"),
    ):
        got, _, err = run("sample", MODEL, "--seeds", "0", "--out", "none", *option)
        assert got == 2
        assert f"error: {option[0]}: given without --polarity" in err
    assert not (folder / "none").exists()


def test_a_command_of_a_plugin_that_is_not_installed_names_it(tmp_path):
    environ = {**os.environ, "POLARPRIOR_DISABLE_PLUGINS": "all"}
    words = [sys.executable, "-m", "polarprior.cli", "patch", "."]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: patch: a command of polarprior-patches, which is not installed",
        "hint: type: pip install --find-links dist polarprior-patches",
    ]
