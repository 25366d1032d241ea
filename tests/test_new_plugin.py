"""The files that `polarprior new-plugin` writes; `test_docs.py` installs them and runs their suite."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from polarprior.cli.main import main


def test_its_files_are_formatted_and_have_no_gaps_left(tmp_path):
    folder = tmp_path / "polarprior-my-model"
    assert main(["new-plugin", "my-model", "--out", str(folder)]) == 0
    for check in (["check"], ["format", "--check"]):
        words = [sys.executable, "-m", "ruff", *check, "--isolated", str(folder)]
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout
    texts = [file.read_text() for file in folder.rglob("*") if file.is_file()]
    assert len(texts) == 8
    assert not any(re.search("@[A-Z]+@|dot_", text) for text in texts)


@pytest.mark.parametrize("name", ["My", "a b", "a/b", "", "a--b", "polarprior", "all", "a" * 51, "1a"])
def test_names_that_are_none(name, tmp_path, capsys):
    assert main(["new-plugin", name, "--out", str(tmp_path / "new")]) == 2
    assert "error: NAME: got" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_nothing_that_is_there_is_written_over(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("polarprior-mine").mkdir()
    assert main(["new-plugin", "mine"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert list(Path("polarprior-mine").iterdir()) == []
