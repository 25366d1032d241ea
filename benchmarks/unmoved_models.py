"""Have the five model plugins moved for users? Two commits build banks, draw, sweep and run the stock scripts.

    python benchmarks/unmoved_models.py [--before 686a659] [--after HEAD] [--vendor FOLDER] [--only MODEL]

Both commits are installed as `unmoved.py` installs them, and open the same small networks, which the later one
writes with the stock classes of the checkouts in --vendor (POLARPRIOR_VENDOR). What a command prints, but for
warnings, and every file that it writes are compared. Where a plugin takes another pass to its Jacobians than before,
ROUNDED names it: its log singular values may be 1e-5 apart, and numbers that follow from them may differ in their
last digits; latents that are drawn, and pictures, may not. A row that is further apart is solved again with its
latent moved by a millionth: where the input of a ReLU is that near to zero, either commit may take either slope. Then
the later commit goes on from the earlier one's banks: they pass `verify --model`, and what is drawn from them is the
same, to the byte. Exit code 1 where anything differs. About 15 minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from polarprior_progan.small import GENFORCE_OPTIONS
from safetensors.numpy import load
from unmoved import Install, Outcome

APART = 1e-5
"""How far apart log singular values may be."""
NUDGED = """
import json, sys, warnings
import polarprior as pp
import torch

warnings.simplefilter("ignore")
bank, rows = pp.Bank.open(sys.argv[2]), json.loads(sys.argv[3])
generator = pp.load(sys.argv[1], "cpu", **bank.info.settings.given())
latents = generator.prior.draw(bank.seeds[rows], None if bank.labels is None else bank.labels[rows])
jacobian_fn = pp.jacobian_fn(generator, bank.info.space, bank.info.domain)
signs = torch.randint(0, 2, (16, *latents.z.shape), generator=torch.Generator().manual_seed(0)) * 2 - 1
moved = [pp.Latents(latents.z * (1 + 1e-6 * sign), latents.label) for sign in signs]
print(json.dumps([pp.top_singular_values(jacobian_fn(each), bank.info.k).log_sigma.tolist() for each in moved]))
"""
ROUNDED = {
    "stylegan2": "its modulated convolution is the plugin's own",
    "biggan-deep (package)": "folded norms",
    "biggan-deep (BigGAN-PyTorch)": "folded norms",
    "progan (pytorch_GAN_zoo)": "the radius is projected out",
    "progan (genforce)": "the radius is projected out",
}
DIGITS = re.compile(r"[0-9a-f]{64}|-?\d+\.\d+(e[+-]?\d+)?|-?\d+e[+-]?\d+")
"""Numbers that a last digit may change, and digests."""
WARNING = re.compile(r"^warning: .*\n", re.MULTILINE)
"""What `unmoved.py` compares, and what this doesn't."""


class Model(NamedTuple):
    """A stock repository with a small network.

    Attributes:
        repo: its folder in --vendor; empty where the model has none.
        small: words that write the network into the current folder.
        source: what opens it.
        options: of a bank.
        other: of a second bank.
        label: a class, where there are any.
        script: a stock script with its words, behind the launcher; empty where there is none that ends.
        seeded: the script seeds nothing, and is started from a seed.
        ends: the script's exit code.
    """

    repo: str
    small: str
    source: str
    options: str = ""
    other: str = ""
    label: str = ""
    script: str = ""
    seeded: bool = False
    ends: int = 0


STYLE = "--network=net.pkl --trunc=0.7 --seeds=0-5 --outdir=out"
SAMPLE_PY = (
    "clone/sample.py --model BigGANdeep --dataset C10 --G_ch 8 --G_attn 0 --G_shared --hier --dim_z 16 "
    "--shared_dim 16 --G_depth 2 --ema --use_ema --G_eval_mode --batch_size 8 --G_batch_size 10 --z_var 0.5 "
    "--experiment_name small --base_root . --sample_npz --sample_num_npz 20"
)
MODELS = {
    "stylegan2": Model("stylegan2-ada-pytorch", "polarprior_stylegan2.small stylegan2 net.pkl --resolution 16",
                       "stylegan2:net.pkl", "--trunc 0.7", "--domain w", script=f"clone/generate.py {STYLE}"),
    "stylegan3": Model("stylegan3", "polarprior_stylegan2.small stylegan3 net.pkl --resolution 16",
                       "stylegan3:net.pkl", "--trunc 0.7", "--space style", script=f"clone/gen_images.py {STYLE}"),
    "biggan-deep (package)": Model("", "polarprior_biggan_deep.small package net", "biggan-deep:net", "--trunc 0.4",
                                   "-k 2", "--class 3"),
    "biggan-deep (BigGAN-PyTorch)": Model("BigGAN-PyTorch", "polarprior_biggan_deep.small repository weights/small",
                                          "biggan-deep:weights/small", "--trunc 0.5", "-k 2", "--class 3", SAMPLE_PY,
                                          ends=1),  # it looks for moments of CIFAR-10 in the end
    "progan (pytorch_GAN_zoo)": Model(
        "pytorch_GAN_zoo", "polarprior_progan.small zoo small", "progan:small/small_s2_i100.pt", "", "--trunc 2",
        script="clone/eval.py visualization -m PGAN -n small -d . --np_vis --save_dataset out --size_dataset 6",
        seeded=True, ends=1,  # it looks for losses in the end
    ),
    "progan (genforce)": Model(
        "genforce", "polarprior_progan.small genforce small.pth", "progan:small.pth", "", "--trunc 2",
        script="clone/synthesize.py small --save_dir . --num 6 --generate_html false --save_raw_synthesis true",
    ),
    "nvae (MNIST)": Model("NVAE", "polarprior_nvae.small net.pt", "nvae:net.pt", "--temp 0.7", "--domain top"),
    "nvae (RGB, flows)": Model("NVAE", "polarprior_nvae.small net.pt --dataset cifar10 --flows 1", "nvae:net.pt",
                               "--temp 0.7", "--domain top"),
}  # fmt: skip


def builds(model: Model) -> list[str]:
    """The commands that make banks."""
    start = f"polarprior bank build {model.source}"
    # A class has a tenth of the rows.
    rows = 1200 if model.label else 120
    options = model.other if "--trunc" in model.other else f"{model.options} {model.other}"
    return [
        f"{start} -n {rows} -k 4 {model.options} --out bank.safetensors",
        f"{start} -n 20 -k 3 {options} --out other.safetensors",
    ]


def uses(model: Model, seeded: Path) -> list[str]:
    """The commands that use them."""
    bank = f"{model.source} --bank bank.safetensors"
    draw = f"polarprior sample {bank} --force --seeds 0-9 {model.label}"
    found = [
        f"polarprior bank verify bank.safetensors --model {model.source}",
        f"polarprior bank verify other.safetensors --model {model.source}",
        "polarprior bank info bank.safetensors --json",
        f"{draw} --polarity=-0.3 --out drawn",
        f"{draw} --polarity=0.2 --support clamp --out clamped",
        f"{draw} --polarity=0.1 --sampler online --out fresh",
        f"polarprior score {bank} --seeds 118-122 {model.label}",
        f"polarprior sweep {bank} --polarity=-0.1,0,0.1 --force {model.label} --out swept",
    ]
    if model.script:
        launch = f"python {seeded} --launch {model.script}" if model.seeded else f"polarprior run {model.script}"
        found += [launch, f"{launch} --polarity=-0.3 --bank=bank.safetensors --force"]
    return found


class Runs:
    """A commit with a model, in a folder of its own."""

    def __init__(self, install: Install, model: Model, name: str, vendor: Path, networks: Path | None):
        self.install, self.model = install, model
        self.folder = install.root / name
        self.folder.mkdir()
        if model.repo:
            clone = ["git", "clone", "--quiet", (vendor / model.repo).resolve(), self.folder / "clone"]
            subprocess.run(list(map(str, clone)), check=True)
        if model.repo == "genforce":  # its script knows models by name
            entry = {"gan_type": "pggan", "url": "", **GENFORCE_OPTIONS}
            with (self.folder / "clone/models/model_zoo.py").open("a") as file:
                file.write(f"\nMODEL_ZOO['small'] = {entry!r}\n")
        if networks is not None:
            shutil.copytree(networks, self.folder, dirs_exist_ok=True)
        (self.folder / "samples/small").mkdir(parents=True, exist_ok=True)
        if model.repo == "genforce" and networks is not None:
            (self.folder / "checkpoints").mkdir()
            shutil.copy(self.folder / "small.pth", self.folder / "checkpoints/small.pth")

    def write(self) -> None:
        done = self.install.python("-m", *self.model.small.split(), folder=self.folder)
        assert done.returncode == 0, done.stderr

    def everything(self) -> dict[str, Outcome]:
        seeded = self.install.root / "source/polar_plugins/seeded.py"
        said = {}
        for command in builds(self.model) + uses(self.model, seeded):
            said[command.replace(str(seeded), "seeded.py")] = self.run(command)
        return said

    def run(self, command: str) -> Outcome:
        said, files = self.install.run(command, self.folder)
        return Outcome(WARNING.sub("", said), files)

    def nudged(self, bank: str, rows: list[int]) -> np.ndarray:
        """Log singular values of rows of a bank, float64 [16, n, k], with each number of their latents a
        millionth longer or shorter, by chance."""
        words = ["-c", NUDGED, self.model.source, bank, json.dumps(rows)]
        done = self.install.python(*words, folder=self.folder)
        assert done.returncode == 0, done.stderr
        return np.array(json.loads(done.stdout.splitlines()[-1]))


Nudged = Callable[[str, list[int]], np.ndarray]


def same(name: str, before: bytes, after: bytes, nudged: Nudged | None) -> str:
    """What tells a file of two commits apart, in a word; empty where nothing does that counts.

    Args:
        nudged: `Runs.nudged` of the later commit, for a model of `ROUNDED`; else None.
    """
    if before == after:
        return ""
    if name.endswith(".npz"):
        with np.load(io.BytesIO(before)) as old, np.load(io.BytesIO(after)) as new:
            return "" if all(np.array_equal(old[key], new[key]) for key in old.files) else "arrays"
    if nudged is None:
        return "bytes"
    if name.endswith(".safetensors"):
        old_bank, new_bank = load(before), load(after)
        old_values = old_bank.pop("log_singular_values")
        apart = np.abs(old_values - new_bank.pop("log_singular_values")).max(axis=1)
        far = np.flatnonzero(apart >= APART)
        if far.size:
            apart[far] = np.abs(nudged(name, far.tolist()) - old_values[far]).max(-1).min(0)
        print(f"    {name}: log singular values within {apart.max():.1g}; {far.size} of {apart.size} rows on a kink")
        others = all(np.array_equal(old_bank[key], new_bank[key]) for key in old_bank)
        return "" if others and apart.max() < APART else f"log singular values by {apart.max():.2g}"
    if name.endswith((".json", ".md", ".txt", ".csv")):
        old_words, new_words = (DIGITS.sub("N", data.decode()).splitlines() for data in (before, after))
        lines = [line for pair in zip_longest(old_words, new_words) if pair[0] != pair[1] for line in pair]
        return "" if not lines else f"words, {lines}"
    return "bytes"


def compare(what: str, before: Outcome, after: Outcome, nudged: Nudged | None, code: int = 0) -> bool:
    """Print a row: whether a command came to the same on both commits, and ended with the exit code."""
    off = {}
    for name in sorted(before.files | after.files):
        found = same(name, before.files.get(name, b""), after.files.get(name, b""), nudged)
        off |= {name: found} if found else {}
    words = before.said == after.said or (nudged and DIGITS.sub("N", before.said) == DIGITS.sub("N", after.said))
    if not before.said.startswith(f"exit code {code}\n"):
        verdict = "FAILS"
    elif before == after:
        verdict = "same"
    else:
        verdict = "same but for last digits" if words and not off else "DIFFERS"
    print(f"{verdict:<25} {len(after.files):>3} files  {what}", flush=True)
    for name, found in off.items():
        print(f"    {name}: {found}")
    if not words or verdict == "FAILS":
        print("    before: " + before.said[-600:].replace("\n", "\n    "))
        print("    after:  " + after.said[-600:].replace("\n", "\n    "))
    return verdict.startswith("same")


def goes_on(after: Runs, before: Runs, old: dict[str, Outcome]) -> list[bool]:
    """The later commit on the earlier one's banks: they hold, and what is drawn from them is the same."""
    for bank in before.folder.glob("*.safetensors"):
        shutil.copy(bank, after.folder / bank.name)
    results = []
    for command, outcome in old.items():
        kept = " --sampler online " not in command and " bank build " not in command and " run " not in command
        if not kept or "seeded.py" in command:
            continue
        found = after.run(command)
        if " verify " in command:
            results.append(found.said.startswith("exit code 0"))
            print(f"{'holds' if results[-1] else 'FAILS':<25}            on the old bank: {command}", flush=True)
            continue
        changed = {name: (after.folder / name).read_bytes() for name in outcome.files}
        results.append(compare(f"on the old bank: {command}", outcome, Outcome(found.said, changed), None))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", default="686a659", help="commit (686a659)")
    parser.add_argument("--after", default="HEAD", help="commit (HEAD)")
    parser.add_argument("--vendor", default=os.environ.get("POLARPRIOR_VENDOR"), help="folder with checkouts")
    parser.add_argument("--only", default="", help="models whose names begin so")
    options = parser.parse_args()
    if not options.vendor:
        sys.exit("--vendor: none named, nor POLARPRIOR_VENDOR: it is the folder with stock checkouts")
    vendor, root = Path(options.vendor), Path(tempfile.mkdtemp(prefix="unmoved-models-"))
    before = Install("before", options.before, root / "before")
    after = Install("after", options.after, root / "after", before.version)
    results: list[bool] = []
    for number, (name, model) in enumerate(MODELS.items()):
        if not name.startswith(options.only):
            continue
        if model.repo and not (vendor / model.repo).is_dir():
            print(f"skipped: no checkout of {model.repo} in {vendor}")
            continue
        print(f"{name}{': ' + ROUNDED[name] if name in ROUNDED else ''}", flush=True)
        written = Runs(after, model, f"networks-{number}", vendor, None)
        written.write()
        shutil.rmtree(written.folder / "clone", ignore_errors=True)
        both = [Runs(install, model, f"model-{number}", vendor, written.folder) for install in (before, after)]
        with ThreadPoolExecutor(2) as pool:
            old, new = pool.map(Runs.everything, both)
        nudged = both[1].nudged if name in ROUNDED else None
        for what in old:
            results.append(compare(what, old[what], new[what], nudged, model.ends if "clone/" in what else 0))
        results += goes_on(both[1], both[0], old)
    print(f"{sum(results)} of {len(results)} rows hold")
    shutil.rmtree(root)
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
