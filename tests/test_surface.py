"""The declared surface: what users import, what plugins import, and that nothing else of the host is imported."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import polarprior as pp
import polarprior.plugin
import pytest
from polarprior.lazy import declared

ROOT = Path(__file__).parent.parent
PUBLIC = {"polarprior", "polarprior.plugin", "polarprior.testing"}
NUMPY = "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]"
"""What mypy prints of an array: numpy leaves its shape and its numbers open."""


def imported(source: str) -> set[str]:
    """The modules of the host that a source imports, imports inside functions counted."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
            if node.module in PUBLIC:  # a module of the host, under the name of one that is public
                found |= {f"{node.module}.{alias.name}" for alias in node.names if is_module(node.module, alias.name)}
    return {name for name in found if name.partition(".")[0] == "polarprior"}


def is_module(package: str, name: str) -> bool:
    """Whether that is a file or folder of the host."""
    folder = ROOT / "hooks" / package.replace(".", "/")
    return (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()


SOURCES = [
    path
    for folder in ("polar_plugins", "vendor_patches")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "build" not in path.relative_to(ROOT).parts
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_plugins_and_patches_import_the_declared_surface_and_nothing_else(path):
    assert imported(path.read_text()) <= PUBLIC


def test_so_does_the_example_of_the_documentation():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs/writing-a-plugin.md").read_text(), re.S)
    template = [path.read_text() for path in (ROOT / "hooks/polarprior/template").rglob("*.py.in")]
    assert (len(blocks), len(template)) == (2, 3)
    code = [text.replace("@MODULE@", "polarprior_tiny") for text in (*blocks, *template)]
    assert set.union(*map(imported, code)) <= PUBLIC


@pytest.mark.parametrize(
    "line",
    [
        "from polarprior.bank.bank import Bank",
        "import polarprior.bank",
        "from polarprior import bank",
        "def f():\n    from polarprior.host import Host",
    ],
)
def test_a_plugin_that_imports_another_module_would_fail(line):
    assert not imported(line) <= PUBLIC


@pytest.mark.parametrize("module", [pp, polarprior.plugin], ids=lambda module: module.__name__)
def test_every_declared_name_is_there(module):
    for name, (home, original) in declared(module).items():
        assert getattr(module, name) is getattr(importlib.import_module(home), original), name
        assert name in dir(module)
        assert name in module.__all__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_importing_the_surface_imports_no_torch():
    code = "import sys, polarprior, polarprior.plugin; dir(polarprior.plugin); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_user_in_strict_mode_knows_the_type_of_everything(tmp_path):
    """A script of 40 lines that uses every public function."""
    script = ROOT / "tests/uses_all_of_it.py"
    assert len(script.read_text().splitlines()) == 40
    functions = {name for name in pp.__all__ if callable(getattr(pp, name)) and name[0].islower()}
    assert functions - {"hookimpl", "hookspec"} <= set(re.findall(r"pp\.(\w+)", script.read_text()))
    words = [
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir",
        ROOT / ".mypy_cache/strict",
        "--no-pretty",
        script,
    ]
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, cwd=tmp_path)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    shown = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert len(shown) == 10
    for line in shown:
        assert "Any" not in line.replace(NUMPY, "array"), line
