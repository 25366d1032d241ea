"""All plugins of this folder, installed together."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from itertools import permutations
from pathlib import Path

import pytest
from polarprior.plugin import default_host, repo_of

SHARED = "polarprior_training"
"""No plugin, but what those share that train something."""
NEEDS = {
    "polarprior_boltzmann": {SHARED},
    "polarprior_ground_metric": {SHARED},
    "polarprior_pagan": {SHARED},
    "polarprior_stylegan3": {"polarprior_stylegan2"},
    "polarprior_stylegan_forks": {"polarprior_stylegan2", "polarprior_stylegan3"},
}
"""What a plugin says in its setup.cfg that it needs of others."""
PLUGINS = sorted({path.parent.name for path in Path(__file__).parent.glob("*/polarprior_*/__init__.py")} - {SHARED})


@pytest.fixture(params=range(11))
def order(request):
    """The repositories that all plugins know by a checkout, in some orders."""
    repos = [repo for repo in default_host().stock_repos() if not repo.package]
    assert len({repo.name for repo in repos}) == len(repos) == 11
    return repos[request.param :] + repos[: request.param]


def test_each_checkout_is_recognised_as_itself(order, tmp_path):
    for repo in order:
        root = tmp_path / repo.name.replace("/", "-")
        for marker in repo.markers:
            (root / marker).parent.mkdir(parents=True, exist_ok=True)
            (root / marker).touch()
        for orders in (order, order[::-1]):
            assert repo_of(root / "models" if (root / "models").is_dir() else root, orders) == (repo, root)
    for one, other in permutations(order, 2):
        assert not one.is_at(tmp_path / other.name.replace("/", "-"))


def test_real_checkouts_are_too(order, vendor):
    for folder in vendor.iterdir():
        matches = [repo.name for repo in order if repo.is_at(folder)]
        assert len(matches) <= 1, folder


@pytest.mark.parametrize("plugin", PLUGINS)
def test_none_imports_another(plugin):
    """All of its modules, in a process of their own."""
    code = f"""
import importlib, pkgutil, sys
import {plugin}
for module in pkgutil.iter_modules({plugin}.__path__, "{plugin}."):
    if not module.name.endswith(".testing"):
        importlib.import_module(module.name)
print(*sorted({{name.split(".")[0] for name in sys.modules if name.startswith("polarprior_")}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {plugin} | NEEDS.get(plugin, set())


def test_each_is_installed():
    installed = {entry.value.partition(".")[0] for entry in entry_points(group="polarprior")}
    assert set(PLUGINS) <= installed
