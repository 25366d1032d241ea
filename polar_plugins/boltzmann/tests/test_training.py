"""Training goes on to the same weights; commands, and what they refuse."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from polarprior.plugin import PolarPriorError, UsageError
from polarprior.testing import main
from polarprior_boltzmann.energies import OfFunction
from polarprior_boltzmann.flow_file import FlowFile
from polarprior_boltzmann.problems import Between, problem_named
from polarprior_boltzmann.recipe import Recipe
from polarprior_boltzmann.training import Training
from polarprior_training.resuming import Checkpoint
from safetensors import safe_open
from safetensors.torch import load_file, save_file

SMALL = Recipe(width=8, iterations=12, batch=8, steps=4)


def run(training, until):
    while training.done < until:
        training.advance()
    return training


@pytest.mark.parametrize("loss", ["continuity", "reverse-kl"])
def test_a_training_that_was_interrupted_ends_at_the_same_weights(loss, tmp_path):
    problem = problem_named("two-gaussians")
    recipe = Recipe(width=8, iterations=12, batch=8, steps=4, loss=loss)
    whole = run(Training(problem, recipe), 12)
    checkpoint = Checkpoint(tmp_path / "flow.training", {"of": loss})
    checkpoint.keep(run(Training(problem, recipe), 5))
    later = Training(problem, recipe)
    checkpoint.restore(later)
    assert later.done == 5
    run(later, 12)
    for mine, other in zip(whole.field.parameters(), later.field.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_another_seed_is_another_training():
    problem = problem_named("two-gaussians")
    first, second = (run(Training(problem, Recipe(width=8, batch=8, seed=seed)), 2) for seed in (0, 1))
    assert not torch.equal(first.field.weights[0], second.field.weights[0])
    state = torch.random.get_rng_state()
    run(Training(problem, SMALL), 2)
    assert torch.equal(state, torch.random.get_rng_state()), "the global stream is untouched"


def test_a_loss_that_is_not_finite_ends_before_the_weights_do():
    broken = Between(problem_named("two-gaussians").base, OfFunction(lambda x: x.sum(1) * torch.nan, 2))
    training = Training(broken, Recipe(width=8, interpolation="linear"))
    with pytest.raises(FloatingPointError, match="iteration 0"):
        training.advance()
    assert all(bool(each.isfinite().all()) for each in training.field.parameters())


def test_a_flow_learns_a_shifted_normal_density():
    """With its own energy, (x - 1)²/2 in the plane: forward and reverse metrics close to a perfect fit."""
    from polarprior_boltzmann.looking import look

    target = OfFunction(lambda x: (x - 1).square().sum(1) / 2, 2)
    problem = Between(problem_named("four-gaussians").base, target)
    training = run(Training(problem, Recipe(width=16, iterations=150, batch=32, steps=6)), 150)
    found = look(training, target, draws=1000, steps=12)
    assert found["reverse_ess"] > 0.9
    draws, _ = training.flow().sample(1000, torch.Generator().manual_seed(3))
    torch.testing.assert_close(draws.mean(0), torch.ones(2), atol=0.25, rtol=0)


COMMAND = ["train", "boltzmann", "--energy", "two-gaussians", "--width", "8", "--batch", "8", "--steps", "4"]


def test_a_killed_command_goes_on_to_the_same_bytes(tmp_path):
    """SIGKILL after a checkpoint; the same command again; one that was never killed."""
    words = [sys.executable, "-m", "polarprior.cli", *COMMAND, "--iterations", "600"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*words, "--out", str(tmp_path / "a")], env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "a.training").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "a.safetensors").exists()
    with safe_open(tmp_path / "a.training", framework="torch") as opened:
        assert int(opened.get_tensor("done")) < 600
    for name in "ab":
        subprocess.run([*words, "--out", str(tmp_path / name)], env=environment, check=True, capture_output=True)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert not (tmp_path / "a.training").exists()
    lines = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [250, 500]
    assert {"reverse_ess", "mode_shares", "hausdorff", "forward_kl"} <= lines[0]["metrics"]["target"].keys()


def test_energies_by_name(tmp_path, monkeypatch):
    well = problem_named("double-well:16,1.5")
    assert (well.base.p, well.base.sigma, well.base.dim) == (4.0, 1.0, 16)
    assert problem_named("two-gaussians").base.std == pytest.approx(2)
    assert problem_named("two-gaussians", base_std=3.0).base.std == pytest.approx(3)
    (tmp_path / "bowls.py").write_text(
        "from polarprior_boltzmann.energies import OfFunction\n\n"
        "def make():\n    return OfFunction(lambda x: x.square().sum(1), 3)\n\n"
        "def wrong():\n    return 1\n\n"
        "def column():\n    return OfFunction(lambda x: x.square().sum(1, keepdim=True), 3)\n\n"
        "def broken():\n    return OfFunction(lambda x: x @ x, 3)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert problem_named("torch:bowls:make").base.dim == 3
    with pytest.raises(PolarPriorError, match="gave int, expected an Energy"):
        problem_named("torch:bowls:wrong")
    with pytest.raises(PolarPriorError, match=r"expected \[2\] and \[2, K\]"):
        problem_named("torch:bowls:column")
    with pytest.raises(PolarPriorError, match="can't be evaluated at two points"):
        problem_named("torch:bowls:broken")
    for name in ("three-gaussians", "double-well:1,1.5", "double-well:16", "double-well:16,0", "torch:nowhere:make"):
        with pytest.raises(PolarPriorError):
            problem_named(name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--energy", "x"], "--energy: got 'x'"),
        ([], "MODEL, --energy: expected one of them"),
        (["--energy", "double-well:4,1.5", "--interpolation", "diffusion"], "--interpolation: got 'diffusion'"),
        (["--energy", "two-gaussians", "--rate", "0"], "--rate"),
        (["--energy", "two-gaussians", "--steps", "4", "--thin", "6"], "--thin: got 6, expected 5 or less"),
        (["dcgan-faces", "--largest", "-1"], "--largest: got -1"),
        (["dcgan-faces", "--loss", "reverse-kl"], "--loss: has no meaning with MODEL"),
        (["dcgan-faces", "--base-std", "2"], "--base-std: has no meaning with MODEL"),
        (["--energy", "two-gaussians", "--bank", "b"], "--bank: has no meaning with --energy"),
        (["--energy", "two-gaussians", "--largest", "1"], "--largest: has no meaning with --energy"),
        (["--energy", "two-gaussians", "-k", "1"], "-k: has no meaning with --energy"),
        (["--energy", "two-gaussians", "--sha256", "0"], "--sha256: has no meaning with --energy"),
        (
            ["--energy", "two-gaussians", "--loss", "reverse-kl", "--widen", "2"],
            "--widen: has no meaning with --loss",
        ),
        (["--energy", "two-gaussians", "--base-std", "-1"], "--base-std: got -1"),
        (["--energy", "two-gaussians", "--rate", "nan"], "--rate: got nan"),
    ],
)
def test_wrong_usage(words, said, tmp_path, capsys):
    assert main(["train", "boltzmann", *words, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("error:") == told.count("hint:") == 1
    assert not list(tmp_path.iterdir())


def test_reverse_kl_follows_its_field_closely_unless_told_otherwise(tmp_path):
    words = [*COMMAND[:-2], "--loss", "reverse-kl", "--iterations", "1"]
    for name, more, steps in (("as-it-is", [], 25), ("coarse", ["--steps", "2"], 2)):
        assert main([*words, *more, "--out", str(tmp_path / name)]) == 0
        recipe = FlowFile.open(tmp_path / f"{name}.safetensors").recipe
        assert (recipe["steps"], recipe["rule"]) == (steps, "runge-kutta")


def test_a_checkpoint_of_another_training_is_not_gone_on_from(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path / "flow.training", {"energy": "other"})
    checkpoint.keep(run(Training(problem_named("two-gaussians"), SMALL), 1))
    assert main([*COMMAND, "--out", str(tmp_path / "flow")]) == 1
    assert "is of another training" in capsys.readouterr().err
    (tmp_path / "flow.training").write_bytes(b"no such thing")
    assert main([*COMMAND, "--out", str(tmp_path / "flow")]) == 1
    assert "is damaged" in capsys.readouterr().err


OF_MODEL = {
    "plugin": "torch", "fingerprint": "0", "settings": {}, "k": 1, "space": "pixel", "domain": "z", "largest": 0.1,
    "std": 1.0, "r2": 0.5, "estimator": "exact", "tolerance": 0.01, "bank": "0",
}  # fmt: skip
NORMAL = {"base": {"dim": 2, "p": 2.0, "sigma": 2**0.5}}
WRONG = {
    "domain": {"domain": "w"},
    "estimator": {"estimator": "bogus"},
    "space": {"space": ["x"]},
    "k": {"k": True},
    "largest": {"largest": float("inf")},
    "settings": {"settings": {"x": 1}},
}


def test_a_flow_s_file_says_what_it_is_and_others_are_refused(tmp_path):
    problem = problem_named("two-gaussians")
    training = run(Training(problem, SMALL), 1)
    path = tmp_path / "flow.safetensors"
    FlowFile(problem.base, training.field, {"seed": 0}, "two-gaussians").save(path)
    found = FlowFile.open(path)
    assert (found.problem, found.base.dim, found.of_model) == ("two-gaussians", 2, None)
    x, t = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.tensor(0.3)
    torch.testing.assert_close(found.field(x, t), training.field(x, t).detach(), rtol=0, atol=0)
    again = tmp_path / "again.safetensors"
    found.save(again)
    assert again.read_bytes() == path.read_bytes()
    with pytest.raises(PolarPriorError, match="no file"):
        FlowFile.open(tmp_path / "none.safetensors")
    tensors = load_file(path)
    about = json.loads(safe_open(path, framework="torch").metadata()["polarprior"])
    damages = {
        "no metadata": (tensors, None),
        "other format": (tensors, {**about, "format": "x"}),
        "no numbers": (tensors, {**about, "base": {"dim": 2, "p": 2.0, "sigma": -1.0}}),
        "other size": (tensors, {**about, "base": {"dim": 3, "p": 2.0, "sigma": 1.0}}),
        "span": (tensors, {**about, "span": [0.0, 1e9]}),
        "nan": ({**tensors, "biases.0": tensors["biases.0"] * torch.nan}, about),
        "layer": ({**tensors, "weights.1": tensors["weights.1"][:, :3].contiguous()}, about),
        "missing": ({name: each for name, each in tensors.items() if name != "biases.1"}, about),
        "of_model": (tensors, {**about, "of_model": {"plugin": "x"}}),
        "no layers": ({"centre": torch.zeros(1)}, about),
        "flat": ({name: each.flatten() for name, each in tensors.items()}, about),
        "zero": (tensors, {**about, "base": {"dim": 2, "p": 0, "sigma": 1.0}}),
        "infinite": (tensors, {**about, "base": {"dim": float("inf"), "p": 2.0, "sigma": 1.0}}),
        "float8": ({**tensors, "biases.0": tensors["biases.0"].to(torch.float8_e4m3fn)}, about),
        "no kernels": ({name: each[:0].clone() for name, each in tensors.items()}, about),
        **{name: (tensors, {**about, **NORMAL, "of_model": {**OF_MODEL, **other}}) for name, other in WRONG.items()},
    }
    for name, (kept, said) in damages.items():
        other = tmp_path / f"{name}.safetensors"
        save_file(kept, other, metadata=None if said is None else {"polarprior": json.dumps(said)})
        with pytest.raises(PolarPriorError, match="holds no flow"):
            FlowFile.open(other)


def test_a_flow_that_can_not_be_saved_does_not_lose_the_training(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError(28, "No space left on device", "flow")

    words = [*COMMAND, "--iterations", "3", "--out", str(tmp_path / "flow")]
    monkeypatch.setattr(FlowFile, "save", fail)
    assert main(words) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "flow.training").exists()
    monkeypatch.undo()
    assert main(words) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["flow.safetensors"]


@pytest.mark.parametrize("out", [".", "folder"])
def test_a_folder_is_no_flow(out, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert main([*COMMAND, "--iterations", "3", "--out", out]) == 2
    assert "--out:" in capsys.readouterr().err


def test_weights_that_are_not_finite_end_a_training():
    training = Training(problem_named("two-gaussians"), Recipe(width=8, rate=1e30))
    with pytest.raises(FloatingPointError):
        run(training, 3)


def test_every_setting_of_a_recipe_has_an_option():
    from dataclasses import fields

    from polarprior_boltzmann.command import boltzmann

    options = {parameter.name for parameter in boltzmann.params}
    assert {field.name for field in fields(Recipe)} <= options
    with pytest.raises(UsageError):
        problem_named("two-gaussians").interpolation(Recipe(interpolation="none"), torch.Generator())
    with pytest.raises(UsageError, match=r"^loss: "):
        Recipe(loss="forward")
