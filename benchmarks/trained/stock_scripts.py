"""The stock scripts on the trained networks: the same bytes as ever without polarity, rows of the bank with it.

    POLARPRIOR_VENDOR=CHECKOUTS python benchmarks/trained/stock_scripts.py [stylegan2_ada digits] ...

All kept weights where none are named. Each family's own script draws in a clone of its checkout, by `polarprior run`:
without polarity its output is compared with what the stock functions give with nothing of ours in between (the
reference scripts of the plugins' tests), and at ``--tilt=-0.5`` each picture with those of the bank's rows. Results:
``results/stock_scripts.json``, and in ``docs/trained`` a picture of what a script draws without and with polarity.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import biggan_deep
import numpy as np
from apart import OPTION, RESULTS, look_at, named
from PIL import Image
from places import checkout_of
from polarprior.bank.bank import Bank
from polarprior.images.pictures import as_image
from polarprior.stock.checkout import FOLDER
from quality import DOCS, model_of

TOP = Path(__file__).parents[2]
PLUGINS = TOP / "polar_plugins"
SEEDED = PLUGINS / "seeded.py"
LAUNCHED = ("-m", "polarprior.cli", "run")
ROWS, K, TILT, DRAWN = 100, 8, -0.5, 20
CLASSES = {"stylegan3": ["--class", 3]}
"""The class that a conditional network's script draws, where it draws one."""
Z_VAR, TEMPERATURE = 0.5, 0.7


def run(*words: object, cwd: Path, fails: bool = False) -> str:
    """Standard error of a Python process; SystemExit where it fails and may not."""
    done = subprocess.run([sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True)
    if done.returncode and not fails:
        raise SystemExit(f"error: {words} ended with {done.returncode}\n{done.stderr[-2000:]}")
    return done.stderr


class Case:
    """A network, its bank, and a clone of the checkout to run the script in.

    Args:
        family: its module's name.
        name: of the set.
        work: a folder.
    """

    def __init__(self, family: str, name: str, work: Path):
        self.work, self.clone = work, work / "clone"
        self.model = model_of(family, name)
        self.path = Path(self.model.partition(":")[2]).resolve()
        subprocess.run(["git", "clone", "-q", str(checkout_of(family)[0].resolve()), str(self.clone)], check=True)
        self.bank = work / "bank.safetensors"
        self.label = CLASSES.get(family, [])
        settings = {"biggan_deep": ["--trunc", Z_VAR], "nvae": ["--temp", TEMPERATURE]}.get(family, self.label)
        build = ["bank", "build", self.model, "-n", ROWS, "-k", K, *settings, "--out", self.bank]
        run("-m", "polarprior.cli", *build, cwd=work)

    def polarity(self, asked: bool) -> list[str]:
        """Options of the launcher."""
        return [f"--tilt={TILT}", f"--bank={self.bank}", "--force", "--no-record"] if asked else []

    @cached_property
    def opened(self) -> Bank:
        """The bank."""
        return Bank.open(self.bank)

    @property
    def noise(self) -> np.ndarray:
        """The standard normal numbers of the bank's seeds, float32 [rows, K]."""
        count = int(np.prod(self.opened.info.latent_shape))
        return np.stack([np.random.RandomState(seed).randn(count) for seed in self.opened.seeds]).astype(np.float32)


Looked = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""The script's pictures, those of the stock functions, the script's with polarity, and those of the rows."""


def stylegan(case: Case) -> Looked:
    """generate.py or gen_images.py."""
    script = "generate.py" if (case.clone / "generate.py").exists() else "gen_images.py"

    def drawn(out: str, asked: bool) -> np.ndarray:
        words = [script, f"--network={case.path}", f"--seeds=0-{DRAWN - 1}", f"--outdir={case.work / out}"]
        run(*LAUNCHED, *words, *case.label, *case.polarity(asked), cwd=case.clone)
        return _pictures(case.work / out, "seed*.png")

    def reference(seeds: Any, out: str) -> np.ndarray:
        words = [case.clone, case.path, ",".join(map(str, seeds)), 1, *(case.label[1:] or [""]), case.work / out]
        run(TOP / "tests" / "stock_reference.py", *words, cwd=case.work)
        return _pictures(case.work / out, "seed*.png")

    return (
        drawn("plain", False),
        reference(range(DRAWN), "stock"),
        drawn("polar", True),
        reference(case.opened.seeds, "rows"),
    )


def biggan(case: Case) -> Looked:
    """sample.py, its npz of thirty."""
    root = case.work / "root"
    shutil.copytree(case.path, root / "weights" / "small")
    (root / "samples" / "small").mkdir(parents=True)
    words = [*biggan_deep.MODEL, "--batch_size=8", "--G_batch_size=10", f"--z_var={Z_VAR}", "--experiment_name=small"]
    words += ["--sample_npz", "--sample_num_npz=30", "--base_root", str(root)]

    def drawn(asked: bool) -> np.ndarray:
        # It ends with an error of its own: there are no moments of the data set.
        run(*LAUNCHED, "sample.py", *words, *case.polarity(asked), cwd=case.clone, fails=True)
        return np.load(root / "samples/small/samples.npz")["x"]

    out = case.work / "stock.npz"
    np.savez(f"{out}.in.npz", z=case.noise * np.float32(Z_VAR), labels=case.opened.labels)
    run(PLUGINS / "biggan_deep/tests/stock_samples.py", case.clone, case.path, out, cwd=case.work)
    found = np.load(out)
    return drawn(False), found["x"], drawn(True), found["rows"]


def progan(case: Case) -> Looked:
    """eval.py visualization, its folder of JPEG files."""
    folder = case.work / "small"
    folder.mkdir()
    shutil.copyfile(case.path, folder / "small_s2_i100.pt")
    (folder / "small_s2_i100_tmp_config.json").write_text("{}")
    (settings,) = case.path.parent.glob("*_train_config.json")
    shutil.copyfile(settings, folder / "small_train_config.json")

    def drawn(out: str, asked: bool) -> np.ndarray:
        words = ["eval.py", "visualization", "-m", "PGAN", "-n", "small", "-d", case.work, "--np_vis"]
        words += ["--save_dataset", case.work / out, "--size_dataset", DRAWN]
        run(SEEDED, "--launch", *words, *case.polarity(asked), cwd=case.clone, fails=True)  # it plots losses at last
        return _pictures(case.work / out, "gen_*.jpg")

    np.save(case.work / "latents.npy", case.noise)
    words = [case.work, "small", DRAWN, case.work / "latents.npy", case.work / "stock", case.work / "rows"]
    run(PLUGINS / "progan/tests/stock_zoo.py", case.clone, *words, cwd=case.work)
    stock, rows = _pictures(case.work / "stock", "gen_*.jpg"), _pictures(case.work / "rows", "*.jpg")
    return drawn("plain", False), stock, drawn("polar", True), rows


def nvae(case: Case) -> Looked:
    """evaluate.py: its first two batches, since its 50,000 images are too many."""

    def drawn(out: str, asked: bool) -> np.ndarray:
        words = [SEEDED, "--launch", "evaluate.py", "--checkpoint", case.path, "--save", case.work / out]
        words += ["--temp", TEMPERATURE, *case.polarity(asked)]
        process = subprocess.Popen([sys.executable, *map(str, words)], cwd=case.clone, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (case.work / out / "gpu_0_samples_2.npz").exists():
            time.sleep(0.2)
        process.kill()
        process.wait()
        batches = [np.load(case.work / out / f"gpu_0_samples_{number}.npz")["samples"] for number in range(2)]
        return np.concatenate(batches)

    np.save(case.work / "noise.npy", case.noise)
    out = case.work / "stock.npz"
    words = [case.clone, case.path, TEMPERATURE, case.work / "noise.npy", out]
    run(PLUGINS / "nvae/tests/stock_nvae.py", *words, cwd=case.work)
    found = np.load(out)
    stock = np.concatenate([found["batch0"], found["batch1"]])
    return drawn("plain", False), stock, drawn("polar", True), found["rows"]


SCRIPTS: dict[str, Callable[[Case], Looked]] = {
    "stylegan2_ada": stylegan,
    "stylegan3": stylegan,
    "biggan_deep": biggan,
    "progan": progan,
    "nvae": nvae,
}


def _pictures(folder: Path, pattern: str) -> np.ndarray:
    """Pictures of a folder in the order of the numbers in their names."""
    paths = sorted(folder.glob(pattern), key=lambda path: int("".join(filter(str.isdigit, path.stem))))
    return np.stack([np.asarray(Image.open(path)) for path in paths])


def _of_255(images: np.ndarray) -> np.ndarray:
    """Images as numbers to 255, float64; NVAE's script writes them as numbers to 1."""
    return images.astype(np.float64) * (1 if images.dtype == np.uint8 else 255)


def _sheet(plain: np.ndarray, polar: np.ndarray, path: Path) -> None:
    """Write the script's first pictures in a row, and below them what polarity makes of them."""
    both = np.rint(_of_255(np.stack([plain[:DRAWN], polar[:DRAWN]]))).astype(np.uint8)
    both = both if both.shape[-1] in (1, 3) else np.moveaxis(both, 2, -1)
    _, count, height, width, channels = both.shape
    as_image(both.transpose(0, 2, 1, 3, 4).reshape(2 * height, count * width, channels)).save(path, optimize=True)


def looked_at(family: str, name: str) -> dict[str, Any]:
    """What holds of a network."""
    with tempfile.TemporaryDirectory() as folder:
        plain, stock, polar, rows = SCRIPTS[family](Case(family, name, Path(folder)))
    _sheet(plain, polar, DOCS / f"{family}-{name}-script.png")
    flat = _of_255(rows).reshape(len(rows), -1)
    away = [np.abs(flat - each.reshape(-1)).max(1) for each in _of_255(polar)]
    return {
        "pictures": len(plain),
        "the same without polarity": bool(np.array_equal(plain, stock)),
        "largest distance to a row": float(max(each.min() for each in away)),
        "rows drawn": len({int(each.argmin()) for each in away}),
        "changed": int(sum(not np.array_equal(a, b) for a, b in zip(plain, polar, strict=True))),
    }


def main() -> None:
    """Look at what is named, or at all that is kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="a family and a set, such as stylegan2_ada digits")
    parser.add_argument(OPTION, type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        asked.here.write_text(json.dumps(looked_at(*asked.what)))
        return
    os.environ[FOLDER] = str(Path(os.environ.get(FOLDER, ".")).resolve())
    look_at(__file__, named(asked.what), RESULTS / "stock_scripts.json")


if __name__ == "__main__":
    main()
