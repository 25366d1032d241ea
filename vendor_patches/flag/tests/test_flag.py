"""``python SCRIPT --polarity`` in an environment with the flag, on the stand-in repository of the host's tests."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FLAG = Path(__file__).parents[1]
STANDIN = Path(__file__).parents[3] / "tests" / "standin"
WORDS = ["--network=network.pt", "--seeds=0,1,2,40,5000"]
POLARITY = ["--polarity=-1.5", "--bank", "bank.safetensors"]
NETWORK = """
import sys
from types import SimpleNamespace
import polarprior as pp, torch
sys.modules["pkg_resources"] = SimpleNamespace(parse_version=lambda text: [int(text.partition(".")[0])])
sys.path.insert(0, ".")
import model
torch.manual_seed(0)
network = model.Network().eval().requires_grad_(False)
torch.save(network.state_dict(), "network.pt")
pp.build_bank(pp.wrap(network, latent_dim=4, settings=pp.Settings(trunc=1.0)), 400, 3, out="bank.safetensors")
"""
OTHER = """
import sys
print(sys.argv, sorted(name for name in sys.modules if name.startswith("polarprior")))
"""


PLUGIN = [STANDIN / "site/polarprior_standin.py", STANDIN / "site/polarprior_standin-0.1.0.dist-info"]
LINE = [FLAG / "polarprior_flag.pth", FLAG / "polarprior_flag.py"]


@pytest.fixture(scope="module")
def python(tmp_path_factory, make_environment):
    """A python with the flag and the stand-in's plugin."""
    return make_environment(tmp_path_factory.mktemp("flag") / "with it", *PLUGIN, *LINE)


@pytest.fixture(scope="module")
def plain(tmp_path_factory, make_environment):
    """A python with neither."""
    return make_environment(tmp_path_factory.mktemp("flag") / "without")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, plain):
    """The stand-in's checkout, in a folder whose name has a space, with a network and its bank."""
    folder = tmp_path_factory.mktemp("a checkout") / "some where"
    shutil.copytree(STANDIN / "repo", folder)
    run(plain, "-c", NETWORK, cwd=folder)
    return folder


def run(python, *words, cwd, code=0, **environ):
    kept = {name: value for name, value in os.environ.items() if name not in ("POLARPRIOR_FLAG", "PYTHONPATH")}
    words = [str(python), *map(str, words)]
    done = subprocess.run(words, cwd=cwd, env={**kept, **environ}, capture_output=True, text=True)
    assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def digests(folder):
    """Take digests of a script's pictures; the record beside them names their folder."""
    pictures = (path for path in sorted(folder.iterdir()) if path.name != "polarprior.json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures}


@pytest.fixture(scope="module")
def launched(python, checkout):
    """What `polarprior run` writes at that polarity."""
    run(python, "-m", "polarprior.cli", "run", "draw.py", *WORDS, "--outdir=launched", *POLARITY, cwd=checkout)
    return digests(checkout / "launched")


@pytest.fixture(scope="module")
def stock(plain, checkout):
    """What the stock script writes, started by the launcher, since it is for a GPU."""
    run(
        plain,
        "-m",
        "polarprior.cli",
        "run",
        "draw.py",
        *WORDS,
        "--outdir=stock",
        cwd=checkout,
        PYTHONPATH=str(STANDIN / "site"),
    )
    return digests(checkout / "stock")


def test_with_the_flag_it_writes_what_the_launcher_writes(python, checkout, launched, stock):
    assert len(launched) == 5
    assert launched != stock
    done = run(python, "draw.py", *WORDS, "--outdir=flag", *POLARITY, cwd=checkout)
    assert digests(checkout / "flag") == launched
    assert done.stderr.count("polarity: rho -1.5") == 1


@pytest.mark.parametrize("options", [["-u"], ["-I"], ["-O", "-W", "ignore"], ["-X", "utf8"]], ids=" ".join)
def test_the_interpreter_keeps_its_options(python, checkout, launched, options, tmp_path):
    run(python, *options, "draw.py", *WORDS, f"--outdir={tmp_path}", *POLARITY, cwd=checkout)
    assert digests(tmp_path) == launched


def test_wherever_the_script_is_named_from(python, checkout, launched, tmp_path):
    link = tmp_path / "a link"
    link.symlink_to(checkout, target_is_directory=True)
    words = [f"--network={checkout / 'network.pt'}", "--seeds=0,1,2,40,5000", "--polarity", "-1.5"]
    words += [f"--bank={checkout / 'bank.safetensors'}"]
    for number, script in enumerate(
        [checkout / "draw.py", "a link/draw.py", os.path.relpath(checkout / "draw.py", tmp_path)]
    ):
        run(python, script, *words, f"--outdir={number}", cwd=tmp_path)
        assert digests(tmp_path / str(number)) == launched


def test_children_of_the_script_draw_the_same(python, checkout, launched, tmp_path):
    run(python, "draw.py", *WORDS, f"--outdir={tmp_path}", *POLARITY, "--gpus=2", cwd=checkout)
    assert digests(tmp_path) == launched


def test_at_polarity_zero_and_switched_off_nothing_is_drawn(python, checkout, stock, tmp_path):
    run(python, "draw.py", *WORDS, f"--outdir={tmp_path}", "--polarity=0", "--bank=bank.safetensors", cwd=checkout)
    assert digests(tmp_path) == stock
    off = run(python, "broken.py", "3", *POLARITY, cwd=checkout, code=3, POLARPRIOR_FLAG="0")
    assert off.stderr == ""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["draw.py", "--polarity=-1"], 2, "error: --bank: got none"),
        (["draw.py", "--tilt=-1"], 2, "error: --bank: got none"),
        (["draw.py", "--tilt", "-1", *POLARITY], 2, "error: --tilt: got --tilt=-1 and --polarity"),
        (["draw.py", *WORDS, "--outdir=out", "--polarity=-1.5", "--bank=none"], 1, "error: --bank"),
        (["draw.py", *WORDS, "--outdir=out", "--polarity=-90", "--bank=bank.safetensors"], 1, "error: --polarity"),
        (["draw.py", *WORDS, "--trunc=0.3", "--outdir=out", *POLARITY], 1, "is for truncation "),
        (["train.py", *POLARITY], 2, "error: --polarity: train.py of somebody/model takes none"),
    ],
)
def test_errors_are_the_launchers_own(python, checkout, words, code, message):
    done = run(python, *words, cwd=checkout, code=code)
    assert done.stderr.count("error:") == done.stderr.count("hint:") == 1
    assert message in done.stderr
    assert not (checkout / "out").exists() or not list((checkout / "out").iterdir())


def test_without_the_word_no_module_of_polarprior_is_loaded(python, tmp_path):
    (tmp_path / "other.py").write_text(OTHER)
    assert run(python, "other.py", "--polar", "x--polarity", cwd=tmp_path).stdout.endswith("[]\n")


@pytest.mark.parametrize(
    "words",
    [
        ["other.py", "--polarity=3"],
        ["other.py", "--polarity", "3", "--bank=x"],
        ["-m", "other", "--polarity=3"],
        ["-c", OTHER, "--polarity=3"],
        ["other", "--polarity=3"],
    ],
    ids=["script", "two words", "module", "code", "folder"],
)
def test_other_programs_keep_their_own(python, plain, tmp_path, words):
    (tmp_path / "other.py").write_text(OTHER)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/__main__.py").write_text(OTHER)
    with_it, without = (run(each, *words, cwd=tmp_path) for each in (python, plain))
    assert with_it.stdout.replace("'polarprior_flag'", "") == without.stdout
    assert with_it.stderr == without.stderr == ""


def test_what_stands_behind_two_dashes_is_the_scripts(python, checkout):
    done = run(python, "broken.py", "3", "--", "--polarity=3", cwd=checkout, code=3)
    assert done.stderr == ""


def test_without_site_packages_nothing_is_read(python, checkout):
    done = run(python, "-S", "broken.py", "4", "--polarity=3", cwd=checkout, code=4)
    assert done.stderr == ""


def test_a_patched_script_is_left_to_its_patch(python, tmp_path):
    shutil.copytree(STANDIN / "repo", tmp_path, dirs_exist_ok=True)
    (tmp_path / "patched.py").write_text("import polarprior.stock.patched  # polarprior patch\n")
    done = run(python, "patched.py", "--polarity=-1", cwd=tmp_path, code=2)
    assert done.stderr.count("error: --bank: got none") == 1


def test_a_checkout_whose_plugin_is_missing_or_broken(python, tmp_path_factory, make_environment):
    """One line says what to type, then the script runs as it is."""
    nvae = tmp_path_factory.mktemp("nvae")
    for name in ("evaluate.py", "neural_ar_operations.py"):
        (nvae / name).write_text("print('as it is')")
    bare = make_environment(tmp_path_factory.mktemp("bare") / "env", *LINE)
    done = run(bare, "evaluate.py", "--polarity=-1", cwd=nvae, POLARPRIOR_DISABLE_PLUGINS="nvae")
    assert done.stdout == "as it is\n"
    assert done.stderr.count("\n") == 1
    assert re.match(
        "warning: --polarity: .*(pip install --find-links dist polarprior-nvae|unset POLARPRIOR_DISABLE_PLUGINS)",
        done.stderr,
    )


def test_a_broken_plugin_is_no_concern_of_other_programs(tmp_path, make_environment):
    python = make_environment(tmp_path / "env", *PLUGIN, *LINE)
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    (site / "polarprior_standin.py").write_text("raise SystemExit('broken')")
    (tmp_path / "other.py").write_text(OTHER)
    assert run(python, "other.py", "--polarity=3", cwd=tmp_path).stderr == ""


def test_programs_of_an_environment_inside_a_checkout_are_not_its_scripts(tmp_path, make_environment, launched):
    """pytest, torchrun and polarprior itself, where somebody has made the environment in the checkout's folder."""
    shutil.copytree(STANDIN / "repo", tmp_path, dirs_exist_ok=True)
    python = make_environment(tmp_path / "env", *PLUGIN, *LINE)
    for script in (tmp_path / "env/bin/other", tmp_path / "env/lib/other.py"):
        script.write_text(OTHER)
        done = run(python, script, "--polarity=3", cwd=tmp_path)
        assert done.stdout.startswith(f"['{script}', '--polarity=3']")
        assert done.stderr == ""


def test_an_error_in_the_flag_is_a_line(tmp_path, make_environment):
    python = make_environment(tmp_path / "env", *LINE)
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    (tmp_path / "other.py").write_text(OTHER)
    for content in ("raise OSError('gone\\nfor good')", None):
        (site / "polarprior_flag.py").write_text(content) if content else (site / "polarprior_flag.py").unlink()
        done = run(python, "other.py", "--polarity=3", cwd=tmp_path)
        assert done.stdout.startswith("['other.py', '--polarity=3']")
        assert re.fullmatch("warning: --polarity: .*; the script runs without it\n", done.stderr)


def test_an_environment_inside_an_environment(tmp_path, checkout, launched, make_environment):
    """The inner one has the line of its own, and adds the outer one's packages: the line is read twice in a start."""
    outer = make_environment(tmp_path / "env", *PLUGIN, *LINE)
    (packages,) = (tmp_path / "env/lib").glob("python*/site-packages")
    run(outer, "-m", "venv", "--without-pip", "env/inner", cwd=tmp_path)
    python = tmp_path / "env/inner/bin/python"
    (site,) = (tmp_path / "env/inner/lib").glob("python*/site-packages")
    for each in LINE:
        shutil.copy(each, site)
    for name in ("0.pth", "z.pth"):
        (site / name).write_text(f"import site; site.addsitedir({str(packages)!r})\n")
    (tmp_path / "other.py").write_text(OTHER)
    assert run(python, "other.py", "--polarity=3", cwd=tmp_path).stderr == ""
    run(python, "draw.py", *WORDS, f"--outdir={tmp_path / 'out'}", *POLARITY, cwd=checkout)
    assert digests(tmp_path / "out") == launched


def test_doctor_says_whether_it_is_in_force(python, plain, tmp_path):
    here = [
        run(python, "-m", "polarprior.cli", "doctor", cwd=tmp_path, **env).stdout
        for env in ({}, {"POLARPRIOR_FLAG": "0"})
    ]
    assert "an option of stock scripts: python SCRIPT" in here[0]
    assert "POLARPRIOR_FLAG=0 switches it off" in here[1]
