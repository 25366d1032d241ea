"""What all tests share: caches of their own, stock checkouts, and a last line that says how many ran on these."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
MADE = ROOT / ".vendor"
"""Where `make vendor` puts the checkouts."""
TYPE = "type: make vendor"
STOCK = "stock checkout"
"""The property of a test that needs one."""
_outcomes: Counter[str] = Counter()

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test asks the Hub but those that bring a server
if MADE.is_dir():
    os.environ.setdefault("POLARPRIOR_VENDOR", str(MADE))


@pytest.fixture(scope="module", autouse=True)
def cache_folder(tmp_path_factory):
    """The folder of banks' caches, of each test module its own: the user's are neither read nor written."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLARPRIOR_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def vendor() -> Path:
    """The folder with stock checkouts that POLARPRIOR_VENDOR names, or that `make vendor` has made."""
    named = os.environ.get("POLARPRIOR_VENDOR")
    if not named:
        pytest.skip(f"no stock checkouts; {TYPE}")
    return Path(named)


@pytest.fixture(scope="module")
def clone_of(vendor, tmp_path_factory):
    """A function that clones the checkout of a StockRepo."""

    def clone(repo) -> Path:
        origin = next((folder for folder in sorted(vendor.iterdir()) if repo.is_at(folder)), None)
        if origin is None:
            pytest.skip(f"no checkout of {repo.name} in {vendor}; {TYPE}")
        missing = [module for module in repo.imports if find_spec(module) is None]
        if missing:
            pytest.skip(f"{repo.name} imports {', '.join(missing)}, which is not installed; {TYPE}")
        folder = tmp_path_factory.mktemp("clone") / "checkout"
        subprocess.run(["git", "clone", "--quiet", origin.resolve(), folder], check=True)
        return folder

    return clone


@pytest.fixture(scope="session")
def source_copy(tmp_path_factory):
    """A folder with what git has of this checkout: building a distribution leaves files beside its source."""
    folder = tmp_path_factory.mktemp("source")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture(scope="session")
def make_environment():
    """A function that makes an environment in a folder, with all that this one has but polarprior's flag, and
    `packages` copied into it: to its python. Without `ours` it has nothing of polarprior at all."""

    def make(folder: Path, *packages: Path, ours: bool = True) -> Path:
        venv.create(folder, symlinks=True)
        (site,) = (folder / "lib").glob("python*/site-packages")
        without = ("polarprior_flag", "__pycache__", *(() if ours else ("polarprior", "__editable__")))
        for each in Path(sysconfig.get_path("purelib")).iterdir():
            if not each.name.startswith(without):
                (site / each.name).symlink_to(each)
        for each in packages:
            (shutil.copytree if each.is_dir() else shutil.copy)(each, site / each.name)
        return folder / "bin/python"

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"vendor", "clone_of"} & set(getattr(item, "fixturenames", ())):
            item.user_properties.append((STOCK, True))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if STOCK not in dict(report.user_properties):
        return
    if report.skipped:
        _outcomes["wanting"] += TYPE in str(report.longrepr)
    elif report.when == "call" or report.failed:
        _outcomes["ran"] += 1


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or not _outcomes:
        return
    wanting = _outcomes["wanting"]
    print(f"stock checkouts: {_outcomes['ran']} tests ran on them", end="")
    print(f", {wanting} were skipped for want of them or of what they import; {TYPE}" if wanting else "")
