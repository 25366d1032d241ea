"""What the tests of plugins for stock repositories share: small checkpoints, and a way to forget checkouts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

collect_ignore_glob = ["*/benchmarks"]
"""Scripts: what they import besides is not installed for tests, and each folder has its own `runs`."""


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


@pytest.fixture(scope="session")
def run_python():
    """A function that runs python: (words..., cwd, code) to the finished process, whose exit code is `code`."""

    def run(*words, cwd, code=0):
        done = subprocess.run([sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True)
        assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    return run


@pytest.fixture(scope="session")
def check_patch(run_python):
    """A function that patches a clone, checks that once is enough, calls `use`, reverts, and finds nothing left."""

    def check(folder, scripts, use):
        for state in ("patched", "patched already"):
            done = run_python("-m", "polarprior.cli", "patch", folder, cwd=folder)
            assert done.stdout.splitlines() == [f"{script}: {state}" for script in scripts]
        use()
        run_python("-m", "polarprior.cli", "patch", folder, "--revert", cwd=folder)
        status = ["git", "status", "--short", "--untracked-files=no"]
        assert subprocess.run(status, cwd=folder, capture_output=True, text=True).stdout == ""

    return check


@pytest.fixture(scope="session")
def forget():
    """A function that forgets what has been imported from checkouts: they call their modules the same."""

    def forget():
        named = os.environ.get("POLARPRIOR_VENDOR")
        if not named:
            return
        vendor = Path(named).resolve()
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if path and vendor in Path(path).resolve().parents:
                del sys.modules[name]
        sys.path[:] = [folder for folder in sys.path if vendor not in Path(folder).resolve().parents]

    return forget


@pytest.fixture(scope="module", autouse=True)
def forget_stock_modules(forget):
    """What one test module has imported, the next must not find."""
    yield
    forget()
