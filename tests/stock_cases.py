"""The stock scripts of the model plugins, each with a small network that the stock classes write."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
from polarprior.plugin import StockRepo
from polarprior_biggan_deep.repos import BIGGAN_PYTORCH
from polarprior_edm.repos import EDM, EDM2
from polarprior_nvae.repos import NVAE
from polarprior_progan.repos import GAN_ZOO, GENFORCE
from polarprior_progan.small import GENFORCE_OPTIONS
from polarprior_stylegan2.repos import STYLEGAN2_ADA, STYLEGAN3
from polarprior_stylegan_forks.repos import PROJECTED_GAN, R3GAN, STYLEGAN_XL


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
        rho: of a law that replaces some of the first latents.
        until: where it goes on and on, a pattern of what shows that all of `drawn` is there.
        on_a_cpu: the script runs there once its devices are changed, with nothing else of polarprior.
    """

    repo: StockRepo
    plugin: str
    small: str
    source: str
    script: str
    drawn: str
    options: str = ""
    label: str = ""
    rho: str = "-0.4"
    until: str = ""
    on_a_cpu: bool = True

    @property
    def takes_seeds(self) -> bool:
        """Whether the script seeds each picture, rather than a run or nothing."""
        return "--seeds" in self.script


PICTURES = "--network={work}/net.pkl --seeds=0-3 --outdir={work}/out"
STYLE = f"{PICTURES} --trunc=0.7"
FORKS = "polarprior_stylegan_forks.small"
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
    Case(PROJECTED_GAN, "projected-gan", f"{FORKS} projected-gan {{work}}/net.pkl --resolution 16",
         "{work}/net.pkl", f"gen_images.py {STYLE}", "out/*.png", "--trunc 0.7"),
    Case(STYLEGAN_XL, "stylegan-xl", f"{FORKS} stylegan-xl {{work}}/net.pkl --resolution 16 --classes 3",
         "{work}/net.pkl", f"gen_images.py {STYLE} --class=1", "out/*.png", "--trunc 0.7 --class 1", "--class 1"),
    Case(R3GAN, "r3gan", f"{FORKS} r3gan {{work}}/net.pkl --resolution 16",
         "{work}/net.pkl", f"gen_images.py {PICTURES}", "out/*.png", rho="-10"),
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
    Case(EDM, "edm", "polarprior_edm.small edm {work}/net.pkl --resolution 4", "{work}/net.pkl",
         "generate.py --network={work}/net.pkl --seeds=0-3 --steps=3 --outdir={work}/out", "out/*.png",
         "--set steps=3", rho="-3", on_a_cpu=False),
    Case(EDM2, "edm2", "polarprior_edm.small edm2 {work}/net.pkl --resolution 4", "{work}/net.pkl",
         "generate_images.py --net={work}/net.pkl --seeds=0-3 --steps=3 --outdir={work}/out", "out/*.png",
         "--set steps=3", rho="-3", on_a_cpu=False),
)  # fmt: skip


def prepare(case, clone, work):
    """Write the network of a case into a folder, and what its script looks for besides."""
    (work / "samples/small").mkdir(parents=True)
    if case.repo is GENFORCE:  # its script knows models by name
        with (clone / "models/model_zoo.py").open("a") as file:
            file.write(f"\nMODEL_ZOO['small'] = { ({'gan_type': 'pggan', 'url': '', **GENFORCE_OPTIONS})!r}\n")
        (clone / "checkpoints").mkdir()
    subprocess.run([sys.executable, "-m", *case.small.format(work=work).split()], cwd=clone, check=True)
    if case.repo is GENFORCE:
        shutil.copy(work / "small.pth", clone / "checkpoints/small.pth")


def drawn(case, work):
    """{name: what is in it} of the files that a script has written."""
    return {path.name: content(path) for path in sorted(work.glob(case.drawn))}


def cleared(case, work):
    """Take away what a script has written."""
    for path in [*work.glob(case.drawn), *work.glob(case.until or case.drawn)]:
        path.unlink(missing_ok=True)


def launched(case, words, folder, work, python=sys.executable, environ=None):
    """What a script said until it ended, or until it was ended."""
    with (work / "said").open("w+") as said:
        process = subprocess.Popen(
            [python, *map(str, words)], cwd=folder, env=environ, stdout=said, stderr=subprocess.STDOUT
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
