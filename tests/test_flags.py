"""Errors name the arguments of Python, and on the command line the flags that were typed."""

from __future__ import annotations

import ast
import os
import re
from importlib.util import find_spec
from pathlib import Path

import polarprior as pp
import pytest
from polarprior.building.merge import merge
from polarprior.cli.main import main
from polarprior.errors import PolarPriorError

FLAG = re.compile(r"(?<![\w-])-(-[a-z]|[nk]\b)")
WHOLE_COMMAND = re.compile(r"\b(polarprior|pip|git|hf|sha256sum|python) [^;]*|^ --.*")
"""A command, which is there to be typed, or a piece of one."""
COMMAND_LINES = ("cli", "command.py", "commands.py", "small.py", "readjust.py")
"""They declare flags, and say what is wrong with the words that were typed."""
OF_STOCK_SCRIPTS = ("errors.py", "polarity.py", "patched.py", "launch.py")
"""They know the flags that stock scripts take, as strings."""
SEAMS = ("seam.py", "seams.py", "zoo.py", "genforce.py")
"""They speak to somebody who has typed the flags of a stock script, but our arguments come first all the same."""
MODEL = "torch:linear:make"
SOURCE = """
import polarprior as pp
from torch import manual_seed, nn


def make():
    manual_seed(0)
    layers = nn.Linear(4, 12), nn.LeakyReLU(0.1), nn.Linear(12, 12), nn.Tanh(), nn.Unflatten(1, (3, 2, 2))
    return pp.wrap(nn.Sequential(*layers), latent_dim=4)
"""
ROOT = Path(__file__).parent.parent


def recipe(**fields):
    from polarprior_boltzmann.recipe import Recipe

    return Recipe(**fields)


def comparison(**fields):
    return pp.Comparison("prior", **fields)


DRAW = f"sample {MODEL} --bank bank --seeds 0 --out new"
BUILD = f"bank build {MODEL} --out new -n 5"
HERE = pytest.mark.skipif(find_spec("polarprior_boltzmann") is None, reason="polarprior-boltzmann is not installed")
MISTAKES = [
    (
        f"{DRAW} --polarity=-50",
        lambda g, b: pp.latent_sampler(g, b, -50),
        ("rho: got -50, expected ", "--polarity: got -50, expected "),
        (r"use rho=-[\d.]+, or go on with force=True", r"use --polarity=-[\d.]+, or go on with --force"),
    ),
    (
        f"{DRAW} --polarity 0.1 --sampler onlin",
        lambda g, b: pp.sample(g, b, 0.1, [0], options=pp.SamplerOptions(sampler="onlin")),
        ("sampler: got 'onlin', expected one of ", "--sampler: got 'onlin', expected one of "),
        ("use sampler=online", "use --sampler online"),
    ),
    (
        f"{DRAW} --polarity 0.1 --sampler paper-online --support shell",
        lambda g, b: pp.latent_sampler(g, b, 0.1, sampler="paper-online", support="shell"),
        ("support, hold: the paper's", "--support, --hold: the paper's"),
        ("leave them out, or use sampler=online", "leave them out, or use --sampler online"),
    ),
    (
        f"{DRAW} --polarity 0.1 --device quantum",
        lambda g, b: pp.load(MODEL, "quantum"),
        ("device: got 'quantum': ", "--device: got 'quantum': "),
        ("use device=cpu", "use --device cpu"),
    ),
    (
        f"{DRAW} --polarity 0.1 --class cat",
        lambda g, b: pp.sample(g, b, 0.1, [0], label="cat"),
        ("label: your module has no classes", "--class: your module has no classes"),
        ("leave the class out", "leave the class out"),
    ),
    (
        "seeds bank --polarity 0.1 -n 5 -k 9",
        lambda g, b: b.log_volume(9),
        ("k: got 9, expected 1 to 4, what", "-k: got 9, expected 1 to 4, what"),
        ("use k=4, or build a bank that holds more", "use -k 4, or build a bank that holds more"),
    ),
    (
        f"sweep {MODEL} --bank few --out new --sampler online",
        lambda g, b: pp.latent_sampler(g, pp.Bank.open("few"), 0.1, sampler="online"),
        ("bank: 20 latents of full rank, ", "--bank: 20 latents of full rank, "),
        ("build a larger bank, such as n=1000", "build a larger bank, such as -n 1000"),
    ),
    (
        f"sweep {MODEL} --bank bank --out new --reference prior --metric-space pixl",
        lambda g, b: pp.sweep(g, b, pp.SweepOptions(comparison=comparison(metric_space=("pixl",)))),
        ("metric_space: got 'pixl', ", "--metric-space: got 'pixl', "),
        ("use metric_space=pixel", "use --metric-space pixel"),
    ),
    (
        f"tune {MODEL} --bank bank --reference prior --minimise fid --recall 0.5",
        lambda g, b: pp.tune(g, b, pp.TuneOptions(comparison(), minimise="fid", recall=0.5)),
        ("minimise: got minimise=fid and recall=0.5, ", "--minimise: got --minimise fid and --recall 0.5, "),
        ("use minimise=fid", "use --minimise fid"),
    ),
    (
        f"modes {MODEL} --bank bank --force",
        lambda g, b: pp.modes(g, b, pp.ModesOptions(force=True)),
        ("force: given without rho=RHO", "--force: given without --polarity RHO"),
        ("add tilt=-1", "add --tilt=-1"),
    ),
    (
        f"score {MODEL} --seeds 0 --space taste",
        lambda g, b: pp.score(g, [0], space="taste"),
        ("space: got 'taste', expected pixel", "--space: got 'taste', expected pixel"),
        ("use space=pixel", "use --space pixel"),
    ),
    (
        f"{BUILD} -k 40",
        lambda g, b: pp.build_bank(g, 5, 40),
        ("k: got 40, expected 1 to 4, the", "-k: got 40, expected 1 to 4, the"),
        ("use k=4", "use -k 4"),
    ),
    (
        f"{BUILD} --seeds-from -1",
        lambda g, b: pp.build_bank(g, 5, 4, seeds_from=-1),
        ("seeds_from: got -1, ", "-n, --seeds-from: got 5 seeds from -1, "),
        ("leave seeds_from out", "use such as -n 10000"),
    ),
    (
        f"bank build {MODEL} --out bank -n 5 -k 4",
        lambda g, b: pp.build_bank(g, 5, 4, out="bank"),
        ("out: bank.safetensors exists already, ", "--out: bank.safetensors exists already, "),
        ("name another out=BANK; for .* with seeds_from=N", "name another --out BANK; for .* with --seeds-from N"),
    ),
    (
        "bank top bank --class 1",
        lambda g, b: b.top(16, label=1),
        ("label: got 1, the bank has no classes", "--class: got 1, the bank has no classes"),
        ("leave the class out", "leave the class out"),
    ),
    (
        "bank merge bank --out new",
        lambda g, b: merge([b], Path("new")),
        ("banks: got 1, ", "BANK: got 1, "),
        ("name two or more", "name two or more"),
    ),
    (
        "bank verify k=3",
        lambda g, b: pp.Bank.open("k=3"),
        ("bank: no file k=3", "BANK: no file k=3"),
        ("build one: polarprior bank build MODEL -n 10000 --out k=3",) * 2,
    ),
    (
        "run linear.py --polarity=-0.1",
        None,
        ("", "--bank: got none, and --polarity=-0.1 needs"),
        ("", "add --bank FILE; polarprior bank build makes one"),
    ),
    ("run k=3.py", None, ("", "SCRIPT: no file k=3.py"), ("", "name the stock script: polarprior run ")),
    pytest.param(
        "train boltzmann --energy two-gaussians --out new --thin 100",
        lambda g, b: recipe(thin=100),
        ("thin: got 100, expected 11 or less", "--thin: got 100, expected 11 or less"),
        ("use thin=11, or more steps", "use --thin 11, or more steps"),
        marks=HERE,
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a model's source and two of its banks, one of them small."""
    folder, before = tmp_path_factory.mktemp("flags"), Path.cwd()
    (folder / "linear.py").write_text(SOURCE)
    os.chdir(folder)
    try:
        for bank, n in (("bank", 200), ("few", 20)):
            pp.build_bank(pp.load(MODEL), n, 4, out=bank)
    finally:
        os.chdir(before)
    return folder


@pytest.mark.parametrize(("words", "call", "error", "hint"), MISTAKES)
def test_an_error_names_the_argument_and_on_the_command_line_its_flag(
    folder, monkeypatch, capsys, words, call, error, hint
):
    monkeypatch.chdir(folder)
    assert main(words.split()) in (1, 2)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert told[0].startswith(f"error: {error[1]}")
    assert re.match(f"hint: {hint[1]}", told[1]), told[1]
    if call is not None:
        with pytest.raises(PolarPriorError) as raised:
            call(pp.load(MODEL), pp.Bank.open("bank"))
        assert raised.value.message.startswith(error[0])
        assert re.match(hint[0], raised.value.hint), raised.value.hint
        assert not FLAG.search(WHOLE_COMMAND.sub("", str(raised.value)))


def texts(source):
    """The strings of a source, with {} for their values; no docstrings."""
    tree = list(ast.walk(ast.parse(source)))
    skipped = {id(each.value) for each in tree if isinstance(each, ast.Expr)}
    skipped |= {id(part) for each in tree if isinstance(each, ast.JoinedStr) for part in each.values}
    for each in tree:
        if isinstance(each, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in each.values)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in skipped:
            yield each.value


def names_a_flag(path, text):
    """Whether a string of a module of the library tells somebody who has typed no command of a flag."""
    if path.name in OF_STOCK_SCRIPTS and re.fullmatch(r"-[\w-]+", text):
        return False
    if path.name in SEAMS:
        return re.match(r"--(polarity|bank|force|device|class)\b", text)
    return FLAG.search(WHOLE_COMMAND.sub("", text))


def test_the_library_names_no_flag():
    folders = [ROOT / "hooks" / "polarprior", ROOT / "vendor_patches" / "polarprior_patches"]
    folders += [each for each in (ROOT / "polar_plugins").glob("*/polarprior_*") if each.suffix != ".egg-info"]
    paths = [path for folder in folders for path in folder.rglob("*.py") if not {*path.parts} & {*COMMAND_LINES}]
    assert len(paths) > 100
    found = [(path, text) for path in paths for text in texts(path.read_text()) if names_a_flag(path, text)]
    assert not found
