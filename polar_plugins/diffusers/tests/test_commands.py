"""The commands on small pipelines, as they are typed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from polarprior.testing import main
from polarprior_diffusers.small import ASKED

LONG = pytest.mark.skipif("POLARPRIOR_LONG" not in os.environ, reason="takes minutes: POLARPRIOR_LONG=1 runs it")


@pytest.mark.parametrize("name", ["consistency", *(pytest.param(name, marks=LONG) for name in ("sd", "flow"))])
def test_the_commands(folder_of, name, tmp_path, monkeypatch, capsys):
    """pick, bank build, sample, score and sweep; the first in a process of its own, as it is typed."""
    asked = [f"--set={key}={value}" for key, value in ASKED[name].items()]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POLARPRIOR_CACHE", str(tmp_path / "cache"))

    def polarprior(*words):
        capsys.readouterr()
        code = main([*map(str, words), "--device", "cpu"])
        told = capsys.readouterr()
        assert code == 0, told.err
        return told.out

    model = f"diffusers:{folder_of(name)}"
    words = ["pick", model, *asked, "--from", "0-15", "--keep", "3", "--tilt=0.5", "-k", "6", "--device", "cpu"]
    typed = [sys.executable, "-W", "ignore", "-m", "polarprior.cli", *words]
    done = subprocess.run(typed, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(set(done.stdout.split(","))) == 3
    polarprior(
        "bank", "build", model, *asked, "-n", 12, "-k", 4, "--estimator", "block-lanczos", "--out", "bank.safetensors"
    )
    bank = ["--bank", "bank.safetensors"]
    polarprior("sample", model, *bank, "--tilt=0.5", "--force", "--seeds", "0-3", "--out", "drawn")
    lines = polarprior("score", model, *bank, "--seeds", "0-3").splitlines()
    assert [line.split(",")[0] for line in lines] == ["seed", "0", "1", "2", "3"]
    polarprior("sweep", model, *bank, "--tilt=-0.3,0,0.3", "--force", "--seeds", "0-3", "--out", "swept")
    names = {path.name for path in tmp_path.rglob("*") if "cache" not in path.parts}
    assert {"pick.json", "pick.png", "samples.json", "sweep.json"} <= names
