"""The stock scripts of StyleGAN2-ADA and StyleGAN3, run as a user would, in clones of real checkouts.

Networks are small ones that the stock classes write.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from polarprior.bank.bank import Bank
from polarprior_stylegan2.repos import STYLEGAN2_ADA, STYLEGAN3

TESTS = Path(__file__).parent
RHO = -0.6
PSI = 0.7
SEEDS = "0,1,2,3"


@dataclass
class Checkout:
    """A clone, with a network, its bank, and the script that makes single pictures."""

    folder: Path
    plugin: str
    generate: str
    work: Path

    def run(self, *words, launcher=True, polarity=None, fails=False, environ=None):
        """A script of the checkout; `polarity` is a rho."""
        if polarity is not None:
            words = (*words, f"--polarity={polarity}", f"--bank={self.work}/bank.safetensors")
        start = ["-m", "polarprior.cli", "run"] if launcher else []
        return python(*start, *words, cwd=self.folder, fails=fails, environ=environ)

    def pictures(self, out, seeds=SEEDS, **how):
        """PNG bytes of the stock script, by seed."""
        folder = self.work / out
        self.run(self.generate, f"--network={self.work}/network.pkl", f"--seeds={seeds}", f"--trunc={PSI}",
                 f"--outdir={folder}", **how)  # fmt: skip
        return [(folder / f"seed{int(seed):04d}.png").read_bytes() for seed in seeds.split(",")]

    def reference(self, seeds, label=""):
        """PNG bytes of seeds, without the script."""
        folder = self.work / "reference"
        network = self.work / "network.pkl"
        python(TESTS / "stock_reference.py", self.folder, network, seeds, PSI, label, folder, cwd=self.work)
        return [(folder / f"seed{int(seed):04d}.png").read_bytes() for seed in seeds.split(",")]

    def named(self, n):
        """What `polarprior seeds` makes of the first n seeds."""
        bank = self.work / "bank.safetensors"
        words = ["-m", "polarprior.cli", "seeds", bank, f"--polarity={RHO}", "-n", n]
        return python(*words, cwd=self.work).stdout.strip()


def python(*words, cwd, fails=False, environ=None):
    environ = {**os.environ, **(environ or {})}
    done = subprocess.run([sys.executable, *map(str, words)], cwd=cwd, env=environ, capture_output=True, text=True)
    assert fails or done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module", params=[STYLEGAN2_ADA, STYLEGAN3], ids=lambda repo: repo.name)
def checkout(request, clone_of, tmp_path_factory):
    folder, work = clone_of(request.param), tmp_path_factory.mktemp("work")
    old = request.param is STYLEGAN2_ADA
    plugin, generate = ("stylegan2", "generate.py") if old else ("stylegan3", "gen_images.py")
    made = Checkout(folder, plugin, generate, work)
    words = ["-m", "polarprior_stylegan2.small", plugin, work / "network.pkl", "--resolution", "16"]
    python(*words, cwd=made.folder)
    words = ["-m", "polarprior.cli", "bank", "build", f"{plugin}:{work}/network.pkl", "-n", 100, "-k", 8]
    python(*words, "--trunc", PSI, "--out", work / "bank.safetensors", cwd=made.folder)
    return made


@pytest.fixture(scope="module")
def drawn(checkout):
    return checkout.pictures("drawn", polarity=RHO)


def test_without_polarity_every_picture_is_the_stock_one(checkout):
    assert checkout.pictures("plain") == checkout.reference(SEEDS)
    assert checkout.pictures("zero", polarity=0) == checkout.reference(SEEDS)


def test_each_picture_is_the_stock_picture_of_the_row_that_seeds_names(checkout, drawn):
    seeds = checkout.named(4)
    assert seeds != SEEDS
    assert drawn == checkout.reference(seeds)


def test_a_seed_alone_is_what_it_is_in_company(checkout, drawn):
    assert checkout.pictures("alone", seeds="2", polarity=RHO) == [drawn[2]]


def test_patched_scripts_agree_with_the_launcher_and_can_be_reverted(checkout, drawn):
    for script in ("patched", "patched already"):
        done = python("-m", "polarprior.cli", "patch", checkout.folder, cwd=checkout.work)
        assert done.stdout.splitlines() == [
            f"{name}: {script}" for name in (STYLEGAN2_ADA if checkout.plugin == "stylegan2" else STYLEGAN3).scripts
        ]
    try:
        assert checkout.pictures("patched", polarity=RHO, launcher=False) == drawn
        assert checkout.pictures("launched", polarity=RHO) == drawn
        shown = checkout.run(checkout.generate, "--help", launcher=True).stdout
        assert shown.count("--polarity RHO") == 2  # its own help, and the launcher's
    finally:
        python("-m", "polarprior.cli", "patch", checkout.folder, "--revert", cwd=checkout.work)
    status = subprocess.run(["git", "status", "--short"], cwd=checkout.folder, capture_output=True, text=True)
    assert status.stdout == ""


def test_every_other_script_draws_what_the_named_seeds_give(checkout):
    """Stock on the seeds that are named, and polarity on the seeds that they stand for: the same output."""
    one, other = checkout.named(4), SEEDS
    assert len(set(one.split(","))) == 4
    network = f"--network={checkout.work}/network.pkl"
    for patched in (False, True):
        words = ["-m", "polarprior.cli", "patch", checkout.folder]
        python(*words, *([] if patched else ["--revert"]), cwd=checkout.work)
        how = {"polarity": RHO, "launcher": not patched}
        if checkout.plugin == "stylegan3":
            pytest.importorskip("imageio_ffmpeg", reason="gen_video.py needs imageio and imageio-ffmpeg")
            video = ["gen_video.py", network, f"--trunc={PSI}", "--w-frames=2", "--grid=2x1"]
            checkout.run(*video, f"--seeds={one}", f"--output={checkout.work}/stock.mp4")
            checkout.run(*video, f"--seeds={other}", f"--output={checkout.work}/polarity.mp4", **how)
            assert (checkout.work / "stock.mp4").read_bytes() == (checkout.work / "polarity.mp4").read_bytes()
        else:
            mixing = ["style_mixing.py", network, f"--trunc={PSI}", "--styles=0-1"]
            for name, seeds, options in (("stock", one, {}), ("polarity", other, how)):
                rows, columns = seeds.split(",", 1)
                checkout.run(
                    *mixing, f"--rows={rows}", f"--cols={columns}", f"--outdir={checkout.work}/{name}", **options
                )
            stock, drawn = (
                np.asarray(Image.open(checkout.work / name / "grid.png"), int) for name in ("stock", "polarity")
            )
            assert np.abs(stock - drawn).max() <= 1  # another order in the batch
            assert np.ptp(stock) > 100
    python("-m", "polarprior.cli", "patch", checkout.folder, "--revert", cwd=checkout.work)


@pytest.mark.parametrize("how", ["launcher", "patched", "flag"])
@pytest.mark.parametrize("gpus", [1, 2])
def test_the_stock_metrics_run_on_a_polarity_prior(checkout, drawn, gpus, how):
    """calc_metrics.py, in one process and in two that talk to each other: every image is that of a bank row."""
    work, cache = checkout.work, checkout.work / "cache"
    environ = {
        "PYTHONPATH": str(TESTS / "small_metrics"),
        "DNNLIB_CACHE_DIR": str(cache),
        "SMALL_METRICS_IMAGES": "64",
    }
    python(TESTS / "small_metrics/small_detector.py", checkout.folder, cache, cwd=work, environ=environ)
    bank = work / "metrics.safetensors"
    if not bank.exists():
        words = ["-m", "polarprior.cli", "bank", "build", f"{checkout.plugin}:{work}/network.pkl", "-n", 60, "-k", 8]
        python(*words, "--out", bank, cwd=checkout.folder)
    python("-m", "polarprior.cli", "patch", checkout.folder, *([] if how == "patched" else ["--revert"]), cwd=work)
    seen = work / f"seen-{gpus}-{how}"
    seen.mkdir()
    shutil.rmtree(cache / "gan-metrics", ignore_errors=True)  # so that the data set is read, by workers
    environ["SMALL_DETECTOR_LOG"] = str(seen)
    words = ["calc_metrics.py", f"--network={work}/network.pkl", f"--data={work}/drawn", "--metrics=fid50k_full"]
    words += [f"--gpus={gpus}", "--polarity=-0.5", f"--bank={bank}"]
    try:
        refused = checkout.run(*words, launcher=how == "launcher", fails=True, environ=environ)
        assert refused.returncode == 1
        # The stock Logger sends what goes to stderr to stdout.
        assert "error: --polarity: got -0.5" in refused.stdout + refused.stderr
        assert "5000 needed" in refused.stdout + refused.stderr, "50,000 images of 60 rows"
        done = checkout.run(*words, "--force", launcher=how == "launcher", environ=environ)
    finally:
        python("-m", "polarprior.cli", "patch", checkout.folder, "--revert", cwd=work)
    result = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"results"'))
    assert result["num_gpus"] == gpus
    assert "did nothing" not in done.stdout + done.stderr
    assert result["results"]["fid50k_full"] > 0
    if checkout.plugin == "stylegan2":  # its metrics draw noise anew for each image, and its detector is a script
        assert "draw noise anew" in done.stdout + done.stderr
        return
    images = np.concatenate([np.load(path) for path in sorted(seen.glob("*.npy"))]).transpose(0, 2, 3, 1).astype(int)
    real = [np.asarray(Image.open(path), int) for path in (work / "drawn").glob("*.png")]
    fakes = [image for image in images if not any(np.array_equal(image, other) for other in real)]
    assert len(fakes) >= 64
    assert len({path.name.split("-")[0] for path in seen.glob("*.npy")}) == gpus
    known = _pictures_of_rows(checkout, bank)
    nearest = [np.abs(known - image).reshape(len(known), -1).max(1).min() for image in fakes]
    assert max(nearest) <= 1


def test_the_stock_metrics_run_on_a_joint_law(checkout):
    """A conditional network: every image is that of a bank row of its class, whatever the labels of the data are."""
    if checkout.plugin == "stylegan2":
        pytest.skip("its metrics draw noise anew for each image, which is then no row's")
    work, cache, data = checkout.work, checkout.work / "cache", checkout.work / "labelled"
    environ = {
        "PYTHONPATH": str(TESTS / "small_metrics"),
        "DNNLIB_CACHE_DIR": str(cache),
        "SMALL_METRICS_IMAGES": "64",
    }
    python(TESTS / "small_metrics/small_detector.py", checkout.folder, cache, cwd=work, environ=environ)
    network, bank, seen = work / "joint.pkl", work / "joint.safetensors", work / "seen-joint"
    small = ["-m", "polarprior_stylegan2.small", checkout.plugin, network, "--resolution", "16", "--classes", "3"]
    python(*small, cwd=checkout.folder)
    words = ["-m", "polarprior.cli", "bank", "build", f"{checkout.plugin}:{network}", "-n", 61, "-k", 8]
    python(*words, "--out", bank, cwd=checkout.folder)
    opened = Bank.open(bank)
    rows = {}
    for label in range(3):
        seeds, folder = opened.seeds[opened.rows_of(label)].tolist(), work / f"joint-{label}"
        words = [checkout.folder, network, ",".join(map(str, seeds)), 1, label, folder]
        python(TESTS / "stock_reference.py", *words, cwd=work)
        rows[label] = np.stack([np.asarray(Image.open(folder / f"seed{seed:04d}.png"), int) for seed in seeds])
    data.mkdir()
    for number, picture in enumerate(rows[1][:6]):  # real ones, all of class 1
        Image.fromarray((255 - picture).astype(np.uint8)).save(data / f"{number}.png")
    (data / "dataset.json").write_text(json.dumps({"labels": [[f"{number}.png", 1] for number in range(6)]}))
    seen.mkdir()
    words = ["calc_metrics.py", f"--network={network}", f"--data={data}", "--metrics=fid50k_full", "--polarity=-0.5"]
    environ["SMALL_DETECTOR_LOG"] = str(seen)
    done = checkout.run(*words, f"--bank={bank}", "--force", "--joint", environ=environ)
    assert "of draws change class" in done.stdout + done.stderr
    images = np.concatenate([np.load(path) for path in sorted(seen.glob("*.npy"))]).transpose(0, 2, 3, 1).astype(int)
    real = [np.asarray(Image.open(path), int) for path in data.glob("*.png")]
    fakes = [image for image in images if not any(np.array_equal(image, other) for other in real)]
    assert len(fakes) >= 64
    classes = []
    for image in fakes:
        off = {label: np.abs(known - image).reshape(len(known), -1).max(1).min() for label, known in rows.items()}
        classes.append(min(off, key=off.get))
        assert min(off.values()) <= 1
    assert len(set(classes)) > 1, "the data set has class 1 alone"


def _pictures_of_rows(checkout, bank):
    seeds = Bank.open(bank).seeds.tolist()
    folder = checkout.work / "rows"
    words = [checkout.folder, checkout.work / "network.pkl", ",".join(map(str, seeds)), 1, "", folder]
    python(TESTS / "stock_reference.py", *words, cwd=checkout.work)
    return np.stack([np.asarray(Image.open(folder / f"seed{seed:04d}.png"), int) for seed in seeds])


def test_what_cannot_be_is_refused(checkout):
    work, good = checkout.work, [f"--seeds={SEEDS}", f"--trunc={PSI}"]
    (work / "not.pkl").write_bytes(b"this is no pickle")
    other = work / "other.pkl"
    small = ["-m", "polarprior_stylegan2.small", checkout.plugin, other, "--resolution", "16", "--seed", "1"]
    python(*small, cwd=checkout.folder)
    network = f"--network={work}/network.pkl"
    cases = [
        ([f"--network={other}", *good], 1, "with other weights (fingerprint "),
        ([network, f"--seeds={SEEDS}", "--trunc=0.5"], 1, "is for truncation 0.7"),
        ([f"--network={work}/not.pkl", *good], 1, "Traceback"),  # the stock script's own
    ]
    if checkout.plugin == "stylegan2":
        cases += [
            ([network, *good, "--noise-mode=none"], 1, "is for noise mode const, "),
            ([network, *good, "--noise-mode=random"], 2, "--noise-mode: got random"),
            ([network, "--projected-w=w.npz"], 2, "--projected-w draws no latents"),
        ]
    for words, code, expected in cases:
        done = checkout.run(checkout.generate, *words, f"--outdir={work}/refused", polarity=RHO, fails=True)
        assert done.returncode == code, done.stderr
        assert expected in done.stderr
        assert not (work / "refused").exists()
    metrics = ["calc_metrics.py", network, "--metrics=ppl_zfull", f"--data={work}/drawn"]
    if checkout.plugin == "stylegan2":  # StyleGAN3 has no such metric left
        done = checkout.run(*metrics, polarity=RHO, fails=True)
        assert (done.returncode, "ppl_zfull interpolates between latents" in done.stdout) == (2, True)
    build = [
        "-m",
        "polarprior.cli",
        "bank",
        "build",
        f"{checkout.plugin}:{work}/not.pkl",
        "-n",
        2,
        "--out",
        work / "no",
    ]
    done = python(*build, cwd=checkout.folder, fails=True)
    assert done.returncode == 1
    assert "is no network pickle" in done.stderr
    done = python(*build, "--sha256", "0" * 64, cwd=checkout.folder, fails=True)
    assert "it was not opened" in done.stderr


def test_classes_stay_theirs(checkout):
    """A conditional network: the class's own rows, and a class that the bank lacks is refused."""
    work = checkout.work
    network, bank = work / "classes.pkl", work / "classes.safetensors"
    small = ["-m", "polarprior_stylegan2.small", checkout.plugin, network, "--resolution", "16", "--classes", "3"]
    python(*small, cwd=checkout.folder)
    words = ["-m", "polarprior.cli", "bank", "build", f"{checkout.plugin}:{network}", "-n", 200, "-k", 8]
    python(*words, "--class", "0,2", "--out", bank, cwd=checkout.folder)
    words = ["-m", "polarprior.cli", "seeds", bank, "--polarity=-0.6", "-n", 3, "--class", 2]
    named = python(*words, cwd=work).stdout.strip().split(",")
    options = [f"--network={network}", "--polarity=-0.6", f"--bank={bank}", f"--outdir={work}/classes"]
    checkout.run(checkout.generate, *options, "--class=2", "--seeds=1,3,5")
    words = [checkout.folder, network, ",".join(named), 1, 2, work / "class-reference"]
    python(TESTS / "stock_reference.py", *words, cwd=work)
    for seed, row in zip((1, 3, 5), named, strict=True):
        mine, stock = work / f"classes/seed{seed:04d}.png", work / f"class-reference/seed{int(row):04d}.png"
        assert mine.read_bytes() == stock.read_bytes()
    metrics = [
        "calc_metrics.py",
        f"--network={network}",
        f"--data={work}/classes",
        "--metrics=fid50k_full",
        "--gpus=2",
    ]
    done = checkout.run(*metrics, "--polarity=-0.6", f"--bank={bank}", fails=True)
    assert (done.returncode, "1 of 3 classes have no rows" in done.stdout + done.stderr) == (2, True)
    done = checkout.run(checkout.generate, *options, "--class=2", "--seeds=1", "--joint", fails=True)
    assert (done.returncode, "error: --joint: got --class 2 as well" in done.stderr) == (2, True)
    plain = [f"--network={work}/network.pkl", "--seeds=1", f"--trunc={PSI}", f"--outdir={work}/joint", "--joint"]
    done = checkout.run(checkout.generate, *plain, polarity=RHO, fails=True)
    assert (done.returncode, f"error: --joint: {checkout.plugin} has no classes" in done.stderr) == (2, True)
    if checkout.plugin == "stylegan2":
        done = checkout.run("generate.py", *options, "--class=2", fails=True)
        assert done.returncode == 2
        assert "--seeds option is required" in done.stderr
    done = checkout.run(checkout.generate, *options, "--class=1", "--seeds=1", fails=True)
    assert done.returncode in (1, 2)
    assert "error: " in done.stderr
    assert "class" in done.stderr
