"""`stock/` on small stand-in scripts, with no checkout: tests/standin holds a repository and its plugin."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.bank.bank import Bank
from polarprior.errors import UsageError
from polarprior.settings import Settings
from polarprior.stock.importing import after_import
from polarprior.stock.polarity import Polarity, asked, taken
from polarprior.stock.sampler import StockSampler
from polarprior.stock.shims.modules import supply_missing_modules
from polarprior.stock_repo import PUBLISHED, published_at

STANDIN = Path(__file__).parent / "standin"
RHO = "-1.8"
SEEDS = [0, 1, 2, 3, 40, 5000]


def stock_network():
    """The stand-in's own class, with weights of a fixed seed."""
    supply_missing_modules()
    spec = spec_from_file_location("standin_model", STANDIN / "repo/model.py")
    model = module_from_spec(spec)
    spec.loader.exec_module(model)
    sys.modules.pop("pkg_resources", None)  # others ask whether there is one
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model.Network().eval().requires_grad_(False)


def generator_at(trunc=1.0):
    return pp.wrap(stock_network(), latent_dim=4, settings=Settings(trunc=trunc))


def stock_pictures(seeds, trunc=1.0):
    """What the stock script makes of seeds, one at a time, with nothing of ours in between."""
    rows = (np.random.RandomState(seed).randn(1, 4) for seed in seeds)
    return [stock_network()(torch.from_numpy(row), trunc).numpy() for row in rows]


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """A checkout of the stand-in repository, with a network and its bank."""
    folder = tmp_path_factory.mktemp("stock")
    shutil.copytree(STANDIN / "repo", folder, dirs_exist_ok=True)
    torch.save(stock_network().state_dict(), folder / "network.pt")
    pp.build_bank(generator_at(), 800, 3, out=folder / "bank.safetensors")
    return folder


def run(folder, *words, launcher=True):
    """`polarprior run WORDS` (or, without the launcher, `python WORDS`) in the checkout, as a user would type it."""
    environ = {**os.environ, "PYTHONPATH": str(STANDIN / "site"), "PYTHONWARNINGS": "default::UserWarning"}
    start = ["-m", "polarprior.cli", "run"] if launcher else []
    command = [sys.executable, *start, *map(str, words)]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)


def draw(folder, out, *options, script="draw.py", seeds=SEEDS, **how):
    """Run the click script; the pictures by seed."""
    listed = ",".join(map(str, seeds))
    done = run(folder, script, "--network=network.pt", f"--seeds={listed}", f"--outdir={out}", *options, **how)
    assert done.returncode == 0, done.stderr
    assert "did nothing" not in done.stderr
    return [np.load(folder / out / f"{seed}.npy") for seed in seeds]


def polarity(rho=RHO):
    return f"--polarity={rho}", "--bank=bank.safetensors"


def test_a_run_leaves_a_record_beside_its_pictures(stock, drawn):
    """The pictures are the stock script's bytes; nothing is left where no polarity is, or with --no-record."""
    found = json.loads((stock / "drawn/polarprior.json").read_text())
    bank = Bank.open(stock / "bank.safetensors")
    assert (found["script"], found["bank"]) == ("draw.py", bank.info.digest)
    assert "--outdir=drawn" in found["arguments"]
    (law,) = found["draws"]
    assert law["diagnostics"]["rho"] == float(RHO)
    assert law["laws"]
    pairs = dict(map(tuple, law["drawn"]))
    assert {*pairs} == {0, 1, 2, 3, 40, None}, "5000 is no row of the bank"
    assert same([drawn[SEEDS.index(seed)] for seed in (0, 1, 40)], stock_pictures([pairs[0], pairs[1], pairs[40]]))
    draw(stock, "unrecorded", *polarity(), "--no-record")
    for folder in ("unrecorded", "plain", "zero"):
        assert not (stock / folder / "polarprior.json").exists()


def test_a_tilt_is_the_polarity_of_that_strength(stock, drawn):
    std = Bank.open(stock / "bank.safetensors").log_volume().std()
    assert same(draw(stock, "tilted", f"--tilt={float(RHO) * std:.12g}", "--bank=bank.safetensors"), drawn)
    done = run(stock, "draw.py", "--tilt=-0.5", *polarity())
    assert done.returncode == 2
    assert "which say the same twice" in done.stderr


def test_a_patched_script_without_polarity_says_what_has_the_module_that_it_lacks(stock):
    (stock / "lacking.py").write_text(
        "import polarprior.stock.patched\nimport sys\nsys.modules['pkg_resources'] = None\nimport pkg_resources\n"
    )
    done = run(stock, "lacking.py", launcher=False)
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
    assert done.stderr.strip().endswith(
        "hint: type polarprior run lacking.py, which has what it needs of pkg_resources"
    )


@pytest.fixture(scope="module")
def drawn(stock):
    """Pictures of SEEDS at RHO, by the launcher."""
    return draw(stock, "drawn", *polarity())


def same(some, others):
    return all(np.array_equal(one, other) for one, other in zip(some, others, strict=True))


def test_without_polarity_it_is_the_stock_script(stock):
    assert same(draw(stock, "plain"), stock_pictures(SEEDS))


def test_polarity_zero_is_the_stock_script(stock):
    assert same(draw(stock, "zero", *polarity(0)), stock_pictures(SEEDS))


def test_each_picture_is_the_stock_picture_of_the_row_that_seeds_names(stock):
    words = [sys.executable, "-m", "polarprior.cli", "seeds", "bank.safetensors", f"--polarity={RHO}", "-n", "800"]
    named = subprocess.run(words, cwd=stock, capture_output=True, text=True, check=True).stdout
    rows = [int(seed) for seed in named.split(",")]
    seeds = list(range(0, 800, 37))
    assert sum(rows[seed] != seed for seed in seeds) > 3
    pictures = draw(stock, "named", *polarity(), seeds=seeds)
    assert same(pictures, stock_pictures([rows[seed] for seed in seeds]))


def test_a_seed_that_is_no_row_becomes_one(stock, drawn):
    rows = stock_pictures(Bank.open(stock / "bank.safetensors").seeds.tolist())
    assert any(np.array_equal(drawn[SEEDS.index(5000)], row) for row in rows)


def test_a_seed_alone_is_what_it_is_in_company(stock, drawn):
    assert same(draw(stock, "alone", *polarity(), seeds=[40]), [drawn[SEEDS.index(40)]])


def test_an_argparse_script_that_draws_a_batch_agrees(stock, drawn):
    backwards = SEEDS[::-1]
    done = run(stock, "sheet.py", "--network", "network.pt", "--out", "s.npy", *polarity(), "--seeds", *backwards)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(stock / "s.npy")[::-1], np.concatenate(drawn), atol=1e-6)
    assert "sheet.py:18: UserWarning: somebody's own warning" in done.stderr, "its warnings look as Python's do"
    assert "quartile 1" in done.stdout, "a renamed argument of numpy"


def test_spawned_processes_draw_the_same(stock, drawn):
    assert same(draw(stock, "spawned", *polarity(), "--gpus=2"), drawn)


@pytest.mark.parametrize("patched", [False, True], ids=["spawned", "patched"])
def test_patched_scripts_draw_the_same(stock, drawn, patched):
    """What a patch makes of a script, by hand: an import before the others and a decorator."""
    source = (stock / "draw.py").read_text()
    mended = source.replace("import copy\n", "import polarprior.stock.patched\nimport copy\n", 1)
    mended = mended.replace("def draw(", "@polarprior.stock.patched.options\ndef draw(")
    mended += "    import sys\n    sys.exit('polarprior.host' in sys.modules)\n"
    (stock / "patched.py").write_text(mended)
    gpus = [] if patched else ["--gpus=2"]
    assert same(draw(stock, "patched", *polarity(), *gpus, script="patched.py", launcher=False), drawn)


@pytest.mark.parametrize("words", [["--force"], ["--device", "cpu"], ["--polarity=3", "--bank=b"], ["--polarity"]])
def test_who_imports_a_patched_script_keeps_a_command_line_of_its_own(stock, tmp_path, words):
    """Programs outside the checkout: those in it are the flag's, which hands them over."""
    (stock / "patched.py").write_text(
        "import polarprior.stock.patched\nimport sys\nrunning = __name__ == '__main__'\n"
    )
    (tmp_path / "between.py").write_text("from importlib import import_module\npatched = import_module('patched')\n")
    for importing in ("import patched", "from between import patched"):
        tool = tmp_path / "tool.py"
        tool.write_text(
            f"import sys\nsys.path.append({str(stock)!r})\n{importing}\nprint(sys.argv[1:], patched.running)\n"
        )
        done = run(tmp_path, tool, *words, launcher=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{words} False\n", "")
    assert run(stock, "patched.py", "--force", launcher=False).returncode == 2


def test_a_patched_script_without_polarity_loads_nothing_else(stock):
    script = (
        "import polarprior.stock.patched\nimport sys, click\n"
        "@click.command()\n@polarprior.stock.patched.options\ndef main():\n"
        "    print(sorted(name for name in sys.modules if name.startswith(('polarprior', 'torch'))))\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    (stock / "patched.py").write_text(script)
    done = run(stock, "patched.py", launcher=False)
    loaded = {"polarprior", "polarprior.lazy", "polarprior.version", "polarprior.errors", "polarprior.flags"}
    loaded |= {"polarprior.foreign", "polarprior.strength"}
    loaded |= {"polarprior.stock", "polarprior.stock.patched", "polarprior.stock.polarity"}
    assert set(eval(done.stdout)) == loaded
    assert "--polarity RHO" in run(stock, "patched.py", "--help", launcher=False).stdout
    for words in (["--bank=b"], ["--force"]):
        done = run(stock, "patched.py", *words, launcher=False)
        assert done.returncode == 2
        assert "given without --polarity" in done.stderr
    done = run(stock, "patched.py", "--polarity=-0.1", launcher=False)
    assert (done.returncode, done.stderr.split("\n")[0][:15]) == (2, "error: --bank: ")
    done = run(stock, "patched.py", "--polarity", launcher=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Option '--polarity' requires an argument")


def test_flags_in_both_spellings_on_both_sides(stock, drawn):
    words = [
        "--polarity",
        RHO,
        "draw.py",
        "--bank",
        "bank.safetensors",
        "--network",
        "network.pt",
        "--outdir",
        "both",
    ]
    done = run(stock, *words, "--seeds", "0,1", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert same([np.load(stock / f"both/{seed}.npy") for seed in (0, 1)], drawn[:2])


def test_what_spawned_processes_spawn_is_ready_too(stock, drawn):
    """Grandchildren import the script again, shims and all."""
    source = (stock / "draw.py").read_text()
    nested = source.replace("save, (network, seeds, trunc, outdir)", "nest, (network, seeds, trunc, outdir)")
    nested = nested.replace(
        "@click.command()",
        "def nest(rank, *others):\n    torch.multiprocessing.spawn(save, others, nprocs=1)\n\n\n@click.command()",
    )
    (stock / "patched.py").write_text(nested)
    assert same(draw(stock, "nested", *polarity(), "--gpus=2", script="patched.py"), drawn)


def test_help_is_the_scripts_followed_by_ours(stock):
    done = run(stock, "draw.py", "--help")
    own, ours = done.stdout.index("Somebody's own help."), done.stdout.index("Options of polarprior")
    assert own < ours < done.stdout.index("--bank FILE")
    assert done.returncode == 0


def test_a_script_that_fails_by_itself_does_so_untouched(stock):
    launched, plain = run(stock, "broken.py"), run(stock, "broken.py", launcher=False)
    assert "KeyError: 'nothing there'" in plain.stderr
    assert launched.returncode == plain.returncode == 1
    assert launched.stderr == plain.stderr
    assert run(stock, "broken.py", "7").returncode == 7


def test_a_polarity_that_does_nothing_says_so(stock):
    (stock / "patched.py").write_text("print('no network here')\n")
    done = run(stock, "patched.py", *polarity())
    assert done.returncode == 0
    assert "warning: no network has come by" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (
            ["draw.py", "--polarity=-0.1"],
            2,
            "--bank: got none, and --polarity=-0.1 needs that of the network's latents",
        ),
        (["draw.py", "--bank=bank.safetensors"], 2, "--bank: given without --polarity"),
        (["draw.py", "--force"], 2, "--force: given without --polarity"),
        (["draw.py", "--joint"], 2, "--joint: given without --polarity"),
        (["draw.py", *polarity(), "--joint"], 2, "--joint: draw.py gives its latents classes that can't be replaced"),
        (["draw.py", "--polarity=nan", "--bank=bank.safetensors"], 2, "expected a finite number"),
        (["draw.py", "--polarity=high", "--bank=bank.safetensors"], 2, "'high' is not a valid float"),
        (["draw.py", *polarity(), "--device=quantum"], 2, "--device: got 'quantum'"),
        (["nowhere.py"], 2, "SCRIPT: no file nowhere.py"),
        (["train.py", *polarity()], 2, "training needs the model's own prior"),
        (["broken.py", *polarity()], 2, "it is not known to draw latents"),
        (["draw.py", "--polarity=-0.1", "--bank=nowhere.safetensors"], 1, "nowhere.safetensors"),
        (["draw.py", *polarity(), "--trunc=0.7"], 1, "is for truncation 1.0, your module was opened with 0.7"),
        (["draw.py", *polarity(-50)], 1, "--polarity: got -50"),
    ],
)
def test_what_cannot_be_is_refused(stock, words, code, expected):
    if words[0] == "draw.py":
        words = [*words, "--network=network.pt", "--seeds=0", "--outdir=refused"]
    done = run(stock, *words)
    assert done.returncode == code, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith(("error: ", "hint: "))]
    assert len(errors) == 2
    assert expected in errors[0]
    assert "Traceback" not in done.stderr
    assert not list((stock / "refused").glob("*")) if (stock / "refused").exists() else True


def test_force_goes_beyond_the_limits(stock):
    assert draw(stock, "forced", *polarity(-3), "--force", seeds=[0])


def test_another_networks_bank_is_refused(stock, tmp_path):
    network = stock_network()
    with torch.no_grad():
        network.layers[0].bias.add_(1.0)
    torch.save(network.state_dict(), tmp_path / "other.pt")
    done = run(stock, "draw.py", f"--network={tmp_path}/other.pt", "--seeds=0", "--outdir=other", *polarity())
    assert done.returncode == 1
    assert "is a bank of a module with other weights or layers (fingerprint " in done.stderr


def test_a_checkout_that_nobody_knows_is_refused(tmp_path):
    (tmp_path / "draw.py").write_text("print('ran')")
    done = run(tmp_path, "draw.py")
    assert done.returncode == 2
    assert re.search("known: .*somebody/model", done.stderr)
    assert "ran" not in done.stdout


def test_a_module_that_the_script_imports_and_nobody_has_is_named(stock):
    (stock / "needy.py").write_text("import nowhere_to_be_found.part\n")
    done = run(stock, "needy.py")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: SCRIPT: needy.py imports nowhere_to_be_found, which is not installed",
        "hint: type: pip install some-thing",
    ]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.repo.name)
def test_a_published_plugin_knows_the_repository_that_it_is_named_for(published, tmp_path):
    """What the host says of plugins that are not installed is what they say themselves."""
    points = [point for point in entry_points(group="polarprior") if point.dist.name == published.distribution]
    repos = [repo for point in points for repo in point.load().stock_repos()]
    (repo,) = [repo for repo in repos if repo.name == published.repo.name]
    for marker in repo.markers:
        (tmp_path / marker).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / marker).touch()
    assert published_at(tmp_path / "models") == (published, tmp_path)


def test_own_flags_are_taken_out_and_the_rest_keeps_its_order():
    words = [
        "--seeds",
        "0-3",
        "--force",
        "--polarity",
        "-0.1",
        "-o",
        "x",
        "--bank=b",
        "file",
        "--x=1",
        "--",
        "--force",
    ]
    options, rest = taken(words)
    given = {name: value for name, value in options.items() if value not in (None, False)}
    assert given == {"rho": -0.1, "bank": "b", "force": True}
    assert rest == ["--seeds", "0-3", "-o", "x", "file", "--x=1", "--force"]


def test_asked_makes_the_bank_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert asked(-0.1, "b.safetensors", False, False, None).polarity == Polarity(-0.1, tmp_path / "b.safetensors")
    with pytest.raises(UsageError):
        asked(float("inf"), "b.safetensors", False, False, None)


def test_a_sampler_travels_with_a_network(stock):
    """Copied and pickled, it draws the same; what it holds is small."""
    sampler = StockSampler(Polarity(float(RHO), stock / "bank.safetensors"), generator_at(), None, 0)
    z = generator_at().prior.draw(range(50)).z.double()
    expected = sampler.redraw(z)
    assert expected.dtype == torch.float64
    assert not torch.equal(expected, z)
    assert copy.deepcopy(sampler) is sampler
    packed = pickle.dumps(sampler)
    assert len(packed) < 4000
    assert torch.equal(pickle.loads(packed).redraw(z), expected)


def test_after_import_is_called_once_and_leaves_the_module_its_loader(tmp_path, monkeypatch):
    import inspect

    (tmp_path / "just_imported.py").write_text("def here():\n    return 1\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    seen = []
    after_import("just_imported", lambda module: seen.append(module.here()))
    assert find_spec("just_imported") is not None  # looking is not importing
    assert seen == []
    import just_imported

    assert seen == [1]
    assert "return 1" in inspect.getsource(just_imported)
    after_import("just_imported", lambda module: seen.append("now"))
    assert seen == [1, "now"]
    del sys.modules["just_imported"]


def test_what_asks_for_a_gpu_runs_without_one(tmp_path):
    """A checkpoint that was saved on a GPU, a GPU that is chosen and waited for, and copies from one."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    save = (
        "import torch\n"
        "torch.serialization.register_package(0, lambda storage: 'cuda:0', lambda storage, location: None)\n"
        "torch.save({'weight': torch.ones(2)}, 'gpu.pt')\n"
    )
    load = (
        "import torch\n"
        "from polarprior.stock.shims.device import move_cuda_to\n"
        "move_cuda_to(torch.device('cpu'))\n"
        "weight = torch.load('gpu.pt')['weight'].cuda()\n"
        "copied = weight.cpu()\n"
        "weight += 1\n"
        "torch.cuda.set_device(0)\n"
        "torch.cuda.synchronize()\n"
        "print(weight.device, weight.tolist(), copied.tolist(), torch.zeros(1, device='cuda:1').device)\n"
    )
    for code, expected in ((save, ""), (load, "cpu [2.0, 2.0] [1.0, 1.0] cpu\n")):
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, expected), done.stderr
