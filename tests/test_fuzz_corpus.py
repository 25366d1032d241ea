"""What `benchmarks/fuzzing.py` came upon, replayed: each file is read, or refused by an error of ours."""

from __future__ import annotations

from pathlib import Path

import fuzz_targets
import pytest

CORPUS = Path(__file__).parent / "fuzz_corpus"


@pytest.mark.parametrize("target", fuzz_targets.TARGETS)
def test_nothing_but_our_own_errors_comes_of_it(target, tmp_path, monkeypatch):
    monkeypatch.setenv("POLARPRIOR_CACHE", str(tmp_path))
    fuzz_targets.TARGETS[target](fuzz_targets.seeds()[target])
    files = sorted((CORPUS / target).iterdir())
    assert files
    for content in (*fuzz_targets.crafted().get(target, ()), *(file.read_bytes() for file in files)):
        fuzz_targets.TARGETS[target](content)
