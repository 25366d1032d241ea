"""What the docs show is run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLUGIN_PAGE = (ROOT / "docs/writing-a-plugin.md").read_text()
FOLDERS = (".", "docs", "benchmarks", "vendor_patches", "polar_plugins/*", "polar_plugins/*/docs")
PAGES = [page.relative_to(ROOT) for folder in FOLDERS for page in sorted(ROOT.glob(f"{folder}/*.md"))]


def test_the_plugin_page_runs(tmp_path):
    """Its commands do what they say, and the suite passes again with the fast Jacobian that it adds."""
    environ = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "POLARPRIOR_STRICT_PLUGINS": "1"}

    def run(command):
        program, *arguments = shlex.split(command)
        words = {
            # Into a folder of its own: the environment of the tests stays as it is.
            "pip": ["-m", "pip", "install", "-qq", "--no-deps", "--upgrade", "--target", "site", arguments[-1]],
            "pytest": ["-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            "polarprior": ["-m", "polarprior.cli", *arguments],
        }[program]
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    commands = re.search(r"```sh\n(.*?)```", PLUGIN_PAGE, re.S)[1].splitlines()
    assert len(commands) == 6
    for command in commands:
        said = run(command)
        assert "passed" in said or "pytest" not in command
    assert sorted(path.name for path in (tmp_path / "modes").glob("*.png")) == [
        "samples.png",
        *(f"seed000{i}.png" for i in range(4)),
    ]
    folder = tmp_path / "polarprior-tiny"
    fast = re.search(r"^`polarprior_tiny/fast.py`:\n\n```python\n(.*?)^```", PLUGIN_PAGE, re.M | re.S)[1]
    hook = re.search(r"^```python\n(@hookimpl\ndef jacobian_fn.*?)^```", PLUGIN_PAGE, re.M | re.S)[1]
    assert len((fast + hook).splitlines()) <= 60
    (folder / "polarprior_tiny/fast.py").write_text(fast)
    with (folder / "polarprior_tiny/__init__.py").open("a") as file:
        file.write("\n\n" + hook)
    for command in commands[1:4]:
        said = run(command)
    assert re.search(r"tiny .*jacobian_fn, load_generator +ok", said)


def test_the_readme_runs(tmp_path, monkeypatch):
    """Its first Python block, as it stands, and it is no longer than 15 lines."""
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"```python\n(.*?)```", readme, re.S)[1]
    assert 5 <= len(block.strip().splitlines()) <= 15
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "modes.png").is_file()


def test_the_page_on_your_own_module(tmp_path):
    """Its module, the two commands below it, and the lines of Python that use it."""
    page = (ROOT / "docs/your-own-module.md").read_text()
    module, commands = re.search(r"```python\n# my_module.py\n(.*?)```.*?```sh\n(.*?)```", page, re.S).groups()
    (tmp_path / "my_module.py").write_text(module)
    for command in commands.splitlines():
        arguments = [sys.executable, "-m", "polarprior.cli", *shlex.split(command)[1:]]
        subprocess.run(arguments, cwd=tmp_path, check=True)
    assert (tmp_path / "sweep/sweep.png").is_file()
    lines = re.findall(r"```python\n(.*?)```", page, re.S)[1]
    subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, check=True)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) <= 900


def test_the_readme_first_screen():
    lines = (ROOT / "README.md").read_text().splitlines()[:45]
    text = "\n".join(lines)
    assert "docs/sweep.png" in text
    assert "make demo" in text
    assert "```python" in text
    assert "make test" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page):
    """And every script that the page names is there."""
    text = (ROOT / page).read_text()
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
        assert (ROOT / page.parent / target).exists(), target
    for script in re.findall(r"(?:benchmarks|polar_plugins)/[\w/]+\.py\b", text):
        assert (ROOT / script).is_file(), script


WRITERS = [
    path.relative_to(ROOT)
    for folder in ("benchmarks", "polar_plugins")
    for path in sorted((ROOT / folder).rglob("*page.py"))
]


def test_figures_in_the_words_about_uses_are_in_the_tables():
    """Whatever docs/uses.md says in short, and the README where it leads there."""
    page = (ROOT / "docs/uses.md").read_text()
    words = re.search(r"## In short\n(.*?)\n## ", page, re.S)[1]
    leads = [part for part in (ROOT / "README.md").read_text().split("\n\n") if "docs/uses.md" in part]
    tables = " ".join(line for line in page.splitlines() if line.startswith("| "))
    figures = re.findall(r"\d+\.\d{2,}", words + "".join(leads))
    assert leads
    assert len(figures) >= 10
    assert [each for each in figures if each not in tables] == []


def test_no_table_differs_from_what_was_measured(tmp_path):
    """All pages that are written from kept results, written again from a copy, are as they were."""
    for folder in ("docs", "benchmarks", "polar_plugins"):
        kept = shutil.ignore_patterns("__pycache__", "*.egg-info", "weights", "*.png")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=kept)
    shutil.copytree(ROOT / "benchmarks/trained/weights", tmp_path / "benchmarks/trained/weights")
    assert len(WRITERS) >= 9
    for writer in WRITERS:
        subprocess.run([sys.executable, tmp_path / writer], cwd=tmp_path, check=True, capture_output=True)
    pages = [page for page in PAGES if (tmp_path / page).exists()]
    assert len(pages) > 30
    assert [page for page in pages if (tmp_path / page).read_text() != (ROOT / page).read_text()] == []
