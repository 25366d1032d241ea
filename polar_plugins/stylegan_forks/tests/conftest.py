"""Small networks of the stock classes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fork_pickle(vendor, tmp_path_factory):
    """A function that writes a small network: (repo, kind, options...) to its path; it is not written twice."""
    folder = tmp_path_factory.mktemp("forks")

    def write(repo, kind: str, *options: str) -> Path:
        origin = next((each for each in sorted(vendor.iterdir()) if repo.is_at(each)), None)
        if origin is None:
            pytest.skip(f"no checkout of {repo.name} in {vendor}; type: make vendor")
        if "dill" in repo.imports:
            pytest.importorskip("dill", reason=f"{repo.name} imports dill; type: make vendor")
        path = folder / f"{kind}{''.join(options).replace('/', '')}.pkl"
        if not path.exists():
            words = [sys.executable, "-m", "polarprior_stylegan_forks.small", kind, path, *options]
            subprocess.run(list(map(str, words)), check=True, env={**os.environ, "POLARPRIOR_VENDOR": str(origin)})
        return path

    return write
