"""No hook without words, no hook without a test."""

from __future__ import annotations

import inspect
from pathlib import Path

import pluggy
import pytest
from polarprior.hookspecs import PROJECT, HookSpecs
from polarprior.plugins import Plugins

HERE = Path(__file__).parent
MANAGER = pluggy.PluginManager(PROJECT)
MANAGER.add_hookspecs(HookSpecs)
HOOKS = sorted(name for name in vars(MANAGER.hook) if not name.startswith("_"))


def test_there_are_hooks():
    assert {"get_latent_sampler", "get_feature_map", "jacobian_fn", "load_generator"} <= set(HOOKS)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented(hook):
    text = inspect.getdoc(getattr(HookSpecs, hook))
    for argument in list(inspect.signature(getattr(HookSpecs, hook)).parameters)[1:]:
        assert f"{argument}:" in text, f"{hook} does not say what {argument} is"
    assert f"`{hook}`" in (HERE.parent / "docs/writing-a-plugin.md").read_text()
    assert f"`{hook}`" in (HERE.parent / "docs/plugins.md").read_text()


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_tested(hook):
    assert f"def {hook}(" in (HERE / "test_host.py").read_text()


def test_the_table_of_plugins_is_true():
    """docs/plugins.md: one row a plugin, a cross for each hook it answers."""
    rows = {}
    lines = [line for line in (HERE.parent / "docs/plugins.md").read_text().splitlines() if line.startswith("|")]
    heads = [cell.strip().strip("`") for cell in lines[0].split("|")[2:-1]]
    for line in lines[2:]:
        name, *cells = [cell.strip() for cell in line.split("|")[1:-1]]
        rows[name.strip("`")] = {hook for hook, cell in zip(heads, cells, strict=True) if cell == "yes"}
    statuses = Plugins(environ={}).statuses
    assert statuses, "install the plugins: make"
    for status in statuses:
        if status.distribution.startswith("polarprior"):
            assert rows.get(status.name) == set(status.hooks), status.name
