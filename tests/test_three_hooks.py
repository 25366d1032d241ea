"""Each of the five model plugins answers the three hooks by itself: the host's own answers are taken away.

Networks are small ones that the stock classes write.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from polarprior.plugin import StockRepo
from polarprior.plugins import Plugins
from polarprior.testing import THREE_HOOKS
from polarprior_biggan_deep.repos import BIGGAN_PYTORCH
from polarprior_nvae.repos import NVAE
from polarprior_progan.repos import GAN_ZOO, GENFORCE
from polarprior_progan.small import GENFORCE_OPTIONS
from polarprior_stylegan2.repos import STYLEGAN2_ADA, STYLEGAN3

TESTS = Path(__file__).parent
FIVE = ("stylegan2", "stylegan3", "biggan-deep", "progan", "nvae")
RHO = "--polarity=-0.4"


@dataclass(frozen=True)
class Case:
    """A stock repository with a small network of a plugin.

    Attributes:
        repo: what the plugin says of it.
        plugin: that opens the network.
        small: words that write it, behind ``python -m``; {work} is a folder, and so in all that follows.
        source: of the network.
        options: of a bank.
        label: a class, where there are any.
        script: the stock script, with its words.
        drawn: what it writes, by a pattern.
        until: where it goes on and on, a pattern of what shows that all of `drawn` is there.
    """

    repo: StockRepo
    plugin: str
    small: str
    source: str
    script: str
    drawn: str
    options: str = ""
    label: str = ""
    until: str = ""


STYLE = "--network={work}/net.pkl --seeds=0-3 --trunc=0.7 --outdir={work}/out"
BIGGAN = (
    "sample.py --model BigGANdeep --dataset C10 --G_ch 8 --G_attn 0 --G_shared --hier --dim_z 16 --shared_dim 16 "
    "--G_depth 2 --ema --use_ema --G_eval_mode --batch_size 8 --G_batch_size 10 --z_var 0.5 --experiment_name small "
    "--base_root {work} --sample_npz --sample_num_npz 20"
)
CASES = (
    Case(STYLEGAN2_ADA, "stylegan2", "polarprior_stylegan2.small stylegan2 {work}/net.pkl --resolution 16",
         "{work}/net.pkl", f"generate.py {STYLE}", "out/*.png", "--trunc 0.7"),
    Case(STYLEGAN3, "stylegan3", "polarprior_stylegan2.small stylegan3 {work}/net.pkl --resolution 16",
         "{work}/net.pkl", f"gen_images.py {STYLE}", "out/*.png", "--trunc 0.7"),
    Case(BIGGAN_PYTORCH, "biggan-deep", "polarprior_biggan_deep.small repository {work}/weights/small",
         "{work}/weights/small", BIGGAN, "samples/small/samples.npz", "--trunc 0.5", "--class 3"),
    Case(GAN_ZOO, "progan", "polarprior_progan.small zoo {work}/small", "{work}/small/small_s2_i100.pt",
         "eval.py visualization -m PGAN -n small -d {work} --np_vis --save_dataset {work}/out --size_dataset 4",
         "out/*.jpg"),
    Case(GENFORCE, "progan", "polarprior_progan.small genforce {work}/small.pth", "{work}/small.pth",
         "synthesize.py small --save_dir {work} --num 4 --generate_html false --save_raw_synthesis true",
         "small_4/*.jpg"),
    Case(NVAE, "nvae", "polarprior_nvae.small {work}/net.pt", "{work}/net.pt",
         "evaluate.py --checkpoint {work}/net.pt --eval_mode sample --temp 0.7 --save {work}/out", "out/*_[01].npz",
         "--temp 0.7", until="out/*_2.npz"),
)  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.repo.name)
def case(request):
    return request.param


@pytest.fixture(scope="module")
def there(case, clone_of, tmp_path_factory):
    """(a clone, a folder with a small network and its bank, which the bare host has built)."""
    work = tmp_path_factory.mktemp("work")
    clone = clone_of(case.repo)
    (work / "samples/small").mkdir(parents=True)
    if case.repo is GENFORCE:  # its script knows models by name
        with (clone / "models/model_zoo.py").open("a") as file:
            file.write(f"\nMODEL_ZOO['small'] = { ({'gan_type': 'pggan', 'url': '', **GENFORCE_OPTIONS})!r}\n")
        (clone / "checkpoints").mkdir()
    run("-m", *case.small.format(work=work).split(), folder=clone)
    if case.repo is GENFORCE:
        shutil.copy(work / "small.pth", clone / "checkpoints/small.pth")
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


@pytest.mark.parametrize("plugin", FIVE)
def test_plugins_says_so(plugin):
    status = next(status for status in Plugins(environ={}).statuses if status.name == plugin)
    assert set(THREE_HOOKS) <= set(status.hooks)


def test_samples_are_those_of_any_host(case, there):
    clone, work = there
    draw = (
        f"sample {case.plugin}:{case.source} --bank {{work}}/bank.safetensors {RHO} --seeds 0-5 --force {case.label}"
    )
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
    polarity = f"{RHO} --bank={{work}}/bank.safetensors --force"
    drawn = {}
    for name, start, words in (
        ("bare", [TESTS / "bare_host.py"], polarity),
        ("usual", ["-m", "polarprior.cli"], polarity),
    ):
        for path in [*work.glob(case.drawn), *work.glob(case.until or case.drawn)]:
            path.unlink(missing_ok=True)
        said = launched(case, [*start, "run", *f"{case.script} {words}".format(work=work).split()], clone, work)
        assert "polarity: rho -0.4" in said
        drawn[name] = {path.name: content(path) for path in sorted(work.glob(case.drawn))}
    assert drawn["bare"]
    if case.plugin in ("stylegan2", "stylegan3"):  # the others seed a run, or nothing
        assert drawn["bare"] == drawn["usual"]
    assert drawn["bare"].keys() == drawn["usual"].keys()


def launched(case, words, folder, work):
    """What a script said until it ended, or until it was ended."""
    with (work / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, *map(str, words)], cwd=folder, stdout=said, stderr=subprocess.STDOUT
        )
        while process.poll() is None and not (case.until and [*work.glob(case.until)]):
            time.sleep(0.2)
        process.kill()
        process.wait()
        return (work / "said").read_text()


def content(path):
    if path.suffix != ".npz":
        return path.read_bytes()
    with np.load(path) as arrays:
        return {name: arrays[name].tobytes() for name in arrays}
