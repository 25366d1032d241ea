"""The stock scripts of the three repositories, run as a user would, in clones of real checkouts.

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
import polarprior as pp
import pytest
from PIL import Image
from polarprior.plugin import StockRepo
from polarprior_stylegan_forks.repos import PROJECTED_GAN, R3GAN, STYLEGAN_XL

TESTS = Path(__file__).parent
SMALL_METRICS = TESTS.parents[2] / "tests/small_metrics"
TILT = "--tilt=-0.5"
PSI = 0.7
SEEDS = "0,1,2,3,4,5"


@dataclass(frozen=True)
class Fork:
    """A repository with a kind of network: what writes one, and the psi and the class that its pictures have."""

    repo: StockRepo
    plugin: str
    kind: str
    small: tuple[str, ...] = ("--resolution", "16")
    psi: bool = True
    label: str = ""

    @property
    def words(self):
        """What the script is given besides, and what a bank is built for."""
        return [f"--trunc={PSI}"] if self.psi else []


FORKS = (
    Fork(PROJECTED_GAN, "projected-gan", "projected-gan"),
    Fork(PROJECTED_GAN, "projected-gan", "projected-gan-fastgan", (), psi=False),
    Fork(STYLEGAN_XL, "stylegan-xl", "stylegan-xl", ("--resolution", "16", "--classes", "3"), label="1"),
    Fork(R3GAN, "r3gan", "r3gan", psi=False),
)


@dataclass
class Checkout:
    """A clone, with a network and its bank."""

    fork: Fork
    folder: Path
    work: Path

    @property
    def network(self):
        return f"--network={self.work}/network.pkl"

    @property
    def polarity(self):
        return [TILT, f"--bank={self.work}/bank.safetensors"]

    def run(self, *words, launcher=True, fails=False, environ=None):
        """A script of the checkout."""
        start = ["-m", "polarprior.cli", "run"] if launcher else []
        return python(*start, *words, cwd=self.folder, fails=fails, environ=environ)

    def polarprior(self, *words, fails=False):
        return python("-m", "polarprior.cli", *words, cwd=self.folder, fails=fails)

    def pictures(self, out, *words, seeds=SEEDS, **how):
        """PNG bytes of gen_images.py, by seed."""
        label = [f"--class={self.fork.label}"] if self.fork.label else []
        given = [self.network, f"--seeds={seeds}", f"--outdir={self.work}/{out}", *self.fork.words, *label, *words]
        self.run("gen_images.py", *given, **how)
        return self.read(out, seeds)

    def reference(self, seeds, label=None):
        """PNG bytes of seeds, without the script."""
        label = self.fork.label if label is None else label
        words = [self.folder, self.work / "network.pkl", seeds, PSI, label, self.work / f"reference{label}"]
        python(TESTS / "stock_pictures.py", *words, cwd=self.work)
        return self.read(f"reference{label}", seeds)

    def read(self, out, seeds):
        return [(self.work / out / f"seed{int(seed):04d}.png").read_bytes() for seed in seeds.split(",")]

    def named(self, n):
        """What `polarprior seeds` makes of the first n seeds."""
        label = ["--class", self.fork.label] if self.fork.label else []
        words = ["seeds", self.work / "bank.safetensors", TILT, "-n", n, *label]
        return self.polarprior(*words).stdout.strip()

    def build(self, network, out, *words):
        given = [f"{self.fork.plugin}:{network}", "--out", out, *words]
        return self.polarprior("bank", "build", *given)

    def small(self, path, *words):
        python("-m", "polarprior_stylegan_forks.small", self.fork.kind, path, *words, cwd=self.folder)
        return path


def python(*words, cwd, fails=False, environ=None):
    environ = {**os.environ, **(environ or {})}
    done = subprocess.run([sys.executable, *map(str, words)], cwd=cwd, env=environ, capture_output=True, text=True)
    assert fails or done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module", params=FORKS, ids=lambda fork: fork.kind)
def checkout(request, clone_of, tmp_path_factory):
    made = Checkout(request.param, clone_of(request.param.repo), tmp_path_factory.mktemp("work"))
    made.small(made.work / "network.pkl", *request.param.small)
    rows = ["-n", 100, "-k", 8, *(["--class", request.param.label] if request.param.label else [])]
    made.build(made.work / "network.pkl", made.work / "bank.safetensors", *rows, *request.param.words)
    return made


@pytest.fixture(scope="module")
def drawn(checkout):
    return checkout.pictures("drawn", *checkout.polarity)


def test_without_polarity_every_picture_is_the_stock_one(checkout):
    expected = checkout.reference(SEEDS)
    assert checkout.pictures("plain") == expected
    assert checkout.pictures("zero", "--polarity=0", checkout.polarity[1]) == expected
    assert len(set(expected)) == 6


def test_each_picture_is_the_stock_picture_of_the_row_that_seeds_names(checkout, drawn):
    """And a seed alone is what it is in company."""
    seeds = checkout.named(6)
    assert seeds != SEEDS
    assert drawn == checkout.reference(seeds)
    assert checkout.pictures("alone", *checkout.polarity, seeds="2") == [drawn[2]]
    record = json.loads((checkout.work / "drawn/polarprior.json").read_text())
    assert [pair[1] for pair in record["draws"][0]["drawn"]] == list(map(int, seeds.split(",")))


def test_patched_scripts_agree_with_the_launcher_and_can_be_reverted(checkout, drawn, check_patch):
    def use():
        assert checkout.pictures("patched", *checkout.polarity, launcher=False) == drawn

    check_patch(checkout.folder, checkout.fork.repo.scripts, use)


def test_what_cannot_be_is_refused(checkout):
    """With one line that says why, and one that says what to type; and nothing is written."""
    work, fork = checkout.work, checkout.fork
    other = checkout.small(work / "other.pkl", *fork.small, "--seed", "1")
    label = [f"--class={fork.label}"] if fork.label else []
    given = ["gen_images.py", f"--seeds={SEEDS}", f"--outdir={work}/refused", *label, *checkout.polarity]
    cases = [([f"--network={other}", *fork.words], 1, "with other weights (fingerprint ")]
    if fork.psi:
        cases.append(([checkout.network, "--trunc=0.5"], 1, "is for truncation 0.7"))
    if fork.kind == "projected-gan":
        cases.append(([checkout.network, *fork.words, "--noise-mode=random"], 2, "--noise-mode: got random"))
    if fork.repo is STYLEGAN_XL:
        cases += [
            ([checkout.network, *fork.words, "--centroids-path=centroids.npy"], 2, "--centroids-path: each style is"),
            ([checkout.network, *fork.words, "--class=2"], 2, "error: --class: got 2, the bank has 1"),
            (
                [checkout.network, *fork.words, "--joint"],
                2,
                "error: --joint: gen_images.py gives its latents classes",
            ),
        ]
    for words, code, expected in cases:
        done = checkout.run(*given, *words, fails=True)
        said = done.stderr.splitlines()
        assert done.returncode == code, done.stderr
        assert expected in done.stderr
        assert [sum(line.startswith(word) for line in said) for word in ("error: ", "hint: ")] == [1, 1], said
        assert not (work / "refused").exists()
    for script, reason in fork.repo.refusals.items():
        done = checkout.run(script, *checkout.polarity, fails=True)
        assert (done.returncode, reason in done.stderr) == (2, True), script
    (work / "not.pkl").write_bytes(b"this is no pickle")
    for pickle, why in ((work / "not.pkl", "is no network pickle"), (work / "none.pkl", "no file")):
        done = checkout.polarprior(
            "bank", "build", f"{fork.plugin}:{pickle}", "-n", 2, "--out", work / "no", fails=True
        )
        assert (done.returncode, why in done.stderr) == (1, True), done.stderr
    done = checkout.polarprior(
        "bank", "build", f"{fork.plugin}:{other}", "-n", 2, "--out", work / "no", "--sha256", "0" * 64, fails=True
    )
    assert (done.returncode, "it was not opened" in done.stderr) == (1, True)


def test_a_video_of_drawn_latents_is_that_of_the_named_seeds(checkout):
    if checkout.fork.repo is R3GAN:
        pytest.skip("R3GAN has no gen_video.py")
    pytest.importorskip("imageio_ffmpeg", reason="gen_video.py needs imageio and imageio-ffmpeg")
    label, seeds = checkout.fork.label, {"stock": checkout.named(6), "polarity": SEEDS}
    words = ["gen_video.py", checkout.network, "--w-frames=2", "--grid=2x1", *checkout.fork.words]
    words += [f"--class={','.join([label] * 6)}"] if label else []
    for name, how in (("stock", []), ("polarity", checkout.polarity)):
        checkout.run(*words, f"--seeds={seeds[name]}", f"--output={checkout.work}/{name}.mp4", *how)
    assert (checkout.work / "stock.mp4").read_bytes() == (checkout.work / "polarity.mp4").read_bytes()


def test_the_stock_metrics_run_on_a_polarity_prior(checkout, drawn):
    """calc_metrics.py: every image is that of a bank row."""
    if "calc_metrics.py" not in checkout.fork.repo.scripts or checkout.fork.kind == "projected-gan":
        pytest.skip("its calc_metrics.py takes no polarity, or draws noise anew for each image")
    work, cache, seen = checkout.work, checkout.work / "cache", checkout.work / "seen"
    environ = {
        "PYTHONPATH": f"{SMALL_METRICS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "DNNLIB_CACHE_DIR": str(cache),
        "SMALL_METRICS_IMAGES": "64",
        "SMALL_DETECTOR_LOG": str(seen),
    }
    python(SMALL_METRICS / "small_detector.py", checkout.folder, cache, cwd=work, environ=environ)
    seen.mkdir()
    (work / "real").mkdir()
    for picture in (work / "drawn").glob("*.png"):
        shutil.copy(picture, work / "real")
    words = ["calc_metrics.py", checkout.network, f"--data={work}/real", "--metrics=fid50k_full", *checkout.polarity]
    refused = checkout.run(*words, fails=True, environ=environ)
    assert (refused.returncode, "5000 needed" in refused.stdout + refused.stderr) == (1, True)
    done = checkout.run(*words, "--force", environ=environ)
    result = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"results"'))
    assert result["results"]["fid50k_full"] > 0
    images = np.concatenate([np.load(path) for path in sorted(seen.glob("*.npy"))]).transpose(0, 2, 3, 1).astype(int)
    real = [np.asarray(Image.open(path), int) for path in (work / "real").glob("*.png")]
    fakes = [image for image in images if not any(np.array_equal(image, each) for each in real)]
    assert len(fakes) >= 32
    seeds = pp.Bank.open(work / "bank.safetensors").seeds.tolist()
    checkout.reference(",".join(map(str, seeds)))
    known = np.stack([np.asarray(Image.open(work / f"reference/seed{seed:04d}.png"), int) for seed in seeds])
    nearest = [np.abs(known - image).reshape(len(known), -1).max(1).min() for image in fakes]
    assert max(nearest) <= (2 if checkout.fork.repo is R3GAN else 1)  # bfloat16 in another batch


def test_a_batch_of_one_seed_is_a_grid_of_bank_rows(checkout):
    """StyleGAN-XL: the first of a seed's latents is the seed's own, the others are no seed's."""
    if checkout.fork.repo is not STYLEGAN_XL:
        pytest.skip("no other script has --batch-sz")
    checkout.pictures("batch", "--batch-sz=4", *checkout.polarity, seeds="0")
    grid = np.asarray(Image.open(checkout.work / "batch/seed0000.png"), int)
    assert grid.shape == (32, 32, 3)
    seeds = pp.Bank.open(checkout.work / "bank.safetensors").seeds.tolist()
    checkout.reference(",".join(map(str, seeds)))
    known = [np.asarray(Image.open(checkout.work / f"reference1/seed{seed:04d}.png"), int) for seed in seeds]
    for x in (0, 16):
        for y in (0, 16):
            assert min(np.abs(grid[y : y + 16, x : x + 16] - row).max() for row in known) <= 1
    alone = checkout.pictures("first", *checkout.polarity, seeds="0")
    assert np.abs(grid[:16, :16] - np.asarray(Image.open(checkout.work / "first/seed0000.png"), int)).max() <= 1
    assert alone


def test_classes_that_the_script_draws_stay_theirs(checkout):
    """StyleGAN-XL without --class draws one for each seed: a bank must have them all."""
    if checkout.fork.repo is not STYLEGAN_XL:
        pytest.skip("the other scripts draw no classes")
    work, bank = checkout.work, checkout.work / "classes.safetensors"
    words = ["gen_images.py", checkout.network, f"--seeds={SEEDS}", f"--trunc={PSI}", TILT, "--force"]
    done = checkout.run(*words, *checkout.polarity, f"--outdir={work}/all", fails=True)
    assert (done.returncode, "2 of 3 classes have no rows" in done.stderr) == (2, True)
    checkout.build(work / "network.pkl", bank, "-n", 90, "-k", 4, f"--trunc={PSI}")
    checkout.run(*words, f"--bank={bank}", f"--outdir={work}/all")
    record = json.loads((work / "all/polarprior.json").read_text())
    opened = pp.Bank.open(bank)
    for seed, (_, row) in zip(map(int, SEEDS.split(",")), record["draws"][0]["drawn"], strict=True):
        label = str(np.random.RandomState(seed).randint(low=0, high=3, size=1)[0])
        assert int(opened.labels[opened.seeds.tolist().index(row)]) == int(label)
        assert checkout.reference(str(row), label) == checkout.read("all", str(seed))


def test_noise_that_is_drawn_anew_is_said(checkout):
    """A FastGAN with noise: its pictures are those of the named seeds up to the noise."""
    if checkout.fork.kind != "projected-gan-fastgan":
        pytest.skip("no other network draws noise")
    work, bank = checkout.work, checkout.work / "noise.safetensors"
    network = checkout.small(work / "noise.pkl", "--noise")
    checkout.build(network, bank, "-n", 100, "-k", 4)
    words = ["gen_images.py", f"--network={network}", "--seeds=0,1", f"--outdir={work}/noise", TILT, f"--bank={bank}"]
    done = checkout.run(*words)
    assert "warning: gen_images.py draws noise anew for each image" in done.stderr
    assert "did nothing" not in done.stderr
