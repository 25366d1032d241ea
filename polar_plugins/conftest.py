"""What the tests of plugins for stock repositories share: checkouts, small checkpoints, and a way to forget both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vendor() -> Path:
    """The folder with stock checkouts that POLARPRIOR_VENDOR names."""
    named = os.environ.get("POLARPRIOR_VENDOR")
    if not named:
        pytest.skip("POLARPRIOR_VENDOR names no folder with checkouts")
    return Path(named)


@pytest.fixture(scope="session")
def small_pickle(vendor, tmp_path_factory):
    """A function that writes a small network: (plugin, options...) to its path; it is not written twice."""
    folder = tmp_path_factory.mktemp("networks")

    def write(plugin: str, *options: str) -> Path:
        path = folder / f"{plugin}{''.join(options)}.pkl"
        if not path.exists():
            words = [sys.executable, "-m", "polarprior_stylegan2.small", plugin, path, "--resolution", "16", *options]
            subprocess.run(list(map(str, words)), check=True)
        return path

    return write


@pytest.fixture(scope="module", autouse=True)
def forget_stock_modules():
    """Checkouts call their modules the same: what one test module has imported, the next must not find."""
    yield
    names = ("dnnlib", "legacy", "torch_utils", "training", "metrics", "pkg_resources")
    for name in [name for name in sys.modules if name.split(".")[0] in names]:
        del sys.modules[name]
    sys.path[:] = [folder for folder in sys.path if not (Path(folder) / "torch_utils").is_dir()]
