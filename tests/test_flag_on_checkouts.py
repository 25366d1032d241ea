"""``python SCRIPT --polarity`` on real checkouts is `polarprior run`; without the word it is the stock script."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from stock_cases import CASES, cleared, drawn, launched, prepare

TESTS = Path(__file__).parent
PLUGINS = ("stylegan2", "stylegan3", "stylegan_forks", "biggan_deep", "progan", "nvae", "edm")
DISTRIBUTIONS = ("vendor_patches/flag", *(f"polar_plugins/{name}" for name in PLUGINS))
NAMES = ("polarprior", "polarprior-flag", *(f"polarprior-{name.replace('_', '-')}" for name in PLUGINS))
POLARITY = "--polarity={rho} --bank={{work}}/bank.safetensors --force"
BAR = re.compile(r"[^\r\n]*\d%\|[^\r\n]*[\r\n]*")
"""What tqdm prints: seconds."""
START = {**os.environ, "PYTHONPATH": str(TESTS / "stock_start")}


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.repo.name)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def python(tmp_path_factory, make_environment, source_copy):
    """A python with the flag, the host and the model plugins, from their wheels alone."""
    folder = tmp_path_factory.mktemp("with")
    environment = make_environment(folder / "env", ours=False)
    (site,) = (folder / "env/lib").glob("python*/site-packages")
    paths = [source_copy, *(source_copy / name for name in DISTRIBUTIONS)]
    own = ["--no-build-isolation"] if find_spec("setuptools") else []
    pip = [sys.executable, "-m", "pip", "--quiet"]
    for words in (
        ["wheel", "--no-deps", *own, "--wheel-dir", folder, *paths],
        ["install", "--no-deps", "--no-index", "--target", site, "--find-links", folder, *NAMES],
    ):
        subprocess.run([*pip, *map(str, words)], check=True)
    return environment


@pytest.fixture(scope="module")
def unaware(tmp_path_factory, make_environment):
    """A python that has never seen polarprior."""
    return make_environment(tmp_path_factory.mktemp("without"), ours=False)


@pytest.fixture(scope="module")
def there(case, clone_of, tmp_path_factory):
    """(a clone, a folder with a small network and its bank)."""
    clone, work = clone_of(case.repo), tmp_path_factory.mktemp("work")
    prepare(case, clone, work)
    build = f"bank build {case.plugin}:{case.source} -n 60 -k 4 {case.options} --out {{work}}/bank.safetensors"
    words = ["-m", "polarprior.cli", *build.format(work=work).split()]
    launched(case, words, clone, work)
    assert (work / "bank.safetensors").is_file()
    return clone, work


def written(case, there, start, polarity="", python=sys.executable, **environ):
    """(what the script said, what it wrote)."""
    clone, work = there
    cleared(case, work)
    words = [*start, *f"{case.script} {polarity}".format(work=work).split()]
    said = launched(case, words, clone, work, python, {**START, **environ})
    return said, drawn(case, work)


def test_the_flag_is_the_launcher(case, there, python):
    said, by_flag = written(case, there, [], POLARITY.format(rho=case.rho), python)
    assert f"polarity: rho {case.rho}" in said
    launcher = ["-m", "polarprior.cli", "run"]
    _, by_launcher = written(case, there, launcher, POLARITY.format(rho=case.rho), python)
    assert by_flag
    assert by_flag == by_launcher
    _, at_zero = written(case, there, [], POLARITY.format(rho=0), python)
    _, stock = written(case, there, launcher, python=python)
    assert at_zero == stock != by_flag


def test_without_the_word_nothing_is_ours(case, there, python, unaware):
    """The same words and files as where polarprior has never been; scripts that fail on a CPU or on today's numpy do
    so alike."""
    ours, alone = (written(case, there, [], "", each, STOCK_ON_THE_CPU="1") for each in (python, unaware))
    said = [
        BAR.sub("", said.replace(str(each.parent.parent), "ROOT"))
        for each, (said, _) in ((python, ours), (unaware, alone))
    ]
    assert said[0] == said[1]
    assert ours[1] == alone[1]
    if (
        case.takes_seeds and case.on_a_cpu and case.plugin != "stylegan2"
    ):  # whose half precision is float32 where polarprior runs it
        assert ours[1] == written(case, there, [], POLARITY.format(rho=0), python)[1]
        assert ours[1]


def test_seeds_do_it_where_polarprior_cannot_be(case, there, python, unaware):
    """The untouched script, in an environment without polarprior, on the seeds that `polarprior seeds` names."""
    if case.plugin == "stylegan2":
        pytest.skip("its half precision is float32 where polarprior runs it on a CPU")
    if not case.on_a_cpu:
        pytest.skip("its script draws from a GPU's own stream of numbers")
    if not case.takes_seeds:
        pytest.skip("its script seeds a whole run, and takes no seeds")
    clone, work = there
    _, by_flag = written(case, there, [], POLARITY.format(rho=case.rho), python)
    words = ["-m", "polarprior.cli", "seeds", work / "bank.safetensors", f"--polarity={case.rho}", "-n", 4, "--force"]
    words += case.label.split()
    (named,) = re.findall(r"^\d+(?:,\d+){3}$", launched(case, words, clone, work, python), re.M)
    assert named != "0,1,2,3"
    cleared(case, work)
    words = case.script.format(work=work).replace("--seeds=0-3", f"--seeds={named}").split()
    launched(case, words, clone, work, unaware, {**START, "STOCK_ON_THE_CPU": "1"})
    pictures = drawn(case, work)
    assert [pictures[f"seed{int(seed):04d}.png"] for seed in named.split(",")] == list(by_flag.values())
