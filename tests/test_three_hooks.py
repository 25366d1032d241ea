"""Each model plugin of a stock repository answers the three hooks by itself: the host's own answers are taken away.

Networks are small ones that the stock classes write.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from polarprior.plugins import Plugins
from polarprior.testing import THREE_HOOKS
from stock_cases import CASES, cleared, drawn, launched, prepare

TESTS = Path(__file__).parent
PLUGINS = ("stylegan2", "stylegan3", "projected-gan", "stylegan-xl", "r3gan", "biggan-deep", "progan", "nvae")


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.repo.name)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def there(case, clone_of, tmp_path_factory):
    """(a clone, a folder with a small network and its bank, which the bare host has built)."""
    work = tmp_path_factory.mktemp("work")
    clone = clone_of(case.repo)
    prepare(case, clone, work)
    build = f"bank build {case.plugin}:{case.source} -n 60 -k 4 {case.options} --out {{work}}/bank.safetensors"
    bare(build, clone, work)
    return clone, work


def run(*words, folder, code=0):
    done = subprocess.run([sys.executable, *map(str, words)], cwd=folder, capture_output=True, text=True)
    assert code is None or done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def bare(words, folder, work, code=0):
    """A command of the bare host; {work} in its words is a folder."""
    return run(TESTS / "bare_host.py", *words.format(work=work).split(), folder=folder, code=code)


def usual(words, folder, work):
    """The same command, with the host's own answers."""
    return run("-m", "polarprior.cli", *words.format(work=work).split(), folder=folder)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugins_says_so(plugin):
    status = next(status for status in Plugins(environ={}).statuses if status.name == plugin)
    assert set(THREE_HOOKS) <= set(status.hooks)


def test_samples_are_those_of_any_host(case, there):
    clone, work = there
    model = f"{case.plugin}:{case.source} --bank {{work}}/bank.safetensors --polarity={case.rho}"
    draw = f"sample {model} --seeds 0-5 --force {case.label}"
    bare(f"{draw} --out {{work}}/bare", clone, work)
    usual(f"{draw} --out {{work}}/usual", clone, work)
    assert contents(work / "bare") == contents(work / "usual")
    assert len(json.loads((work / "bare/samples.json").read_text())["drawn"]) == 6


def test_a_sweep_has_its_rows(case, there):
    clone, work = there
    words = f"sweep {case.plugin}:{case.source} --bank {{work}}/bank.safetensors --polarity=-0.1,0,0.1 {case.label}"
    bare(f"{words} --force --out {{work}}/sweep", clone, work)
    rows = json.loads((work / "sweep/sweep.json").read_text())["rows"]
    assert [row["rho"] for row in rows] == [-0.1, 0, 0.1]


def test_the_stock_script_draws(case, there):
    """Polarity changes what it draws, and is the same as with any host."""
    clone, work = there
    polarity = f"--polarity={case.rho} --bank={{work}}/bank.safetensors --force"
    words = ["run", *f"{case.script} {polarity}".format(work=work).split()]
    found = []
    for start in ([TESTS / "bare_host.py"], ["-m", "polarprior.cli"]):
        cleared(case, work)
        assert f"polarity: rho {case.rho}" in launched(case, [*start, *words], clone, work)
        found.append(drawn(case, work))
    assert found[0]
    if case.takes_seeds:
        assert found[0] == found[1]
    assert found[0].keys() == found[1].keys()
