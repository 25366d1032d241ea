"""The plugin `biggan-deep` on ajbrock/BigGAN-PyTorch: its weights, and its sample.py in a clone of a checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import Bank, PolarPriorError, UsageError
from polarprior.testing import GeneratorPluginTests
from polarprior_biggan_deep.repos import BIGGAN_PYTORCH

RHO = -0.3
Z_VAR = 0.5
OPTIONS = (
    "--model BigGANdeep --dataset C10 --G_ch 8 --G_attn 0 --G_shared --hier --dim_z 16 --shared_dim 16 --G_depth 2 "
    f"--ema --use_ema --G_eval_mode --batch_size 8 --G_batch_size 10 --z_var {Z_VAR} --experiment_name small"
).split()
NPZ = ["--sample_npz", "--sample_num_npz", "30"]


@dataclass
class Checkout:
    """A clone, with a small network, its bank, and a way to run sample.py."""

    folder: Path
    root: Path
    weights: Path
    bank: Path

    def sample(self, *words, polarity=None, launcher=True):
        """The finished process. It ends with an error of its own: there are no moments of the data set to compare."""
        if polarity is not None:
            words = (*words, f"--polarity={polarity}", f"--bank={self.bank}", "--force")
        start = ["-m", "polarprior.cli", "run"] if launcher else []
        command = [sys.executable, *start, "sample.py", *OPTIONS, "--base_root", str(self.root), *words]
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True)

    def drawn(self, *words, **how):
        """(images uint8 [30, C, H, W], classes) of sample.py's own npz."""
        path = self.root / "samples/small/samples.npz"
        path.unlink(missing_ok=True)
        done = self.sample(*NPZ, *words, **how)
        assert path.exists(), done.stderr
        samples = np.load(path)
        return samples["x"], samples["y"]


@pytest.fixture(scope="module")
def checkout(clone_of, run_python, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    made = Checkout(clone_of(BIGGAN_PYTORCH), root, root / "weights/small", root / "bank.safetensors")
    (root / "samples/small").mkdir(parents=True)
    made.weights.mkdir(parents=True)
    run_python("-m", "polarprior_biggan_deep.small", "repository", made.weights, cwd=made.folder)
    build = ["bank", "build", f"biggan-deep:{made.weights}", "-n", 200, "-k", 4, "--trunc", Z_VAR]
    run_python("-m", "polarprior.cli", *build, "--out", made.bank, cwd=made.folder)
    return made


@pytest.fixture(scope="module")
def stock(checkout, run_python):
    """What the stock functions draw, and their images of the bank's rows."""
    bank, out = Bank.open(checkout.bank), checkout.root / "stock.npz"
    rows = np.stack([np.random.RandomState(seed).randn(16) for seed in bank.seeds]).astype(np.float32)
    np.savez(f"{out}.in.npz", z=rows * np.float32(Z_VAR), labels=bank.labels)
    script = Path(__file__).with_name("stock_samples.py")
    run_python(script, checkout.folder, checkout.weights, out, cwd=checkout.root)
    return np.load(out)


class TestConformance(GeneratorPluginTests):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, checkout):
        cls.model = f"biggan-deep:{checkout.weights}"


def test_without_polarity_sample_py_is_the_stock_one(checkout, stock):
    for polarity in (None, 0):
        images, labels = checkout.drawn(polarity=polarity)
        assert np.array_equal(images, stock["x"])
        assert np.array_equal(labels, stock["y"])


def test_every_sample_is_that_of_a_bank_row_of_its_class(checkout, stock, check_patch):
    images, labels = checkout.drawn(polarity=RHO)
    assert np.array_equal(labels, stock["y"]), "classes are the script's own"
    assert not np.array_equal(images, stock["x"])
    bank = Bank.open(checkout.bank)
    for image, label in zip(images.astype(int), labels, strict=True):
        rows = stock["rows"][bank.rows_of(int(label))].astype(int)
        assert np.abs(rows - image).reshape(len(rows), -1).max(1).min() <= 1

    def patched():
        again, theirs = checkout.drawn(polarity=RHO, launcher=False)
        assert np.array_equal(again, images)
        assert np.array_equal(theirs, labels)

    check_patch(checkout.folder, ["sample.py"], patched)


def test_nothing_stays_behind_when_a_generator_moves(checkout, vendor):
    moved = pp.load(f"biggan-deep:{checkout.weights}", "cpu").on(torch.device("meta"))
    label = torch.zeros(2, dtype=torch.int64, device="meta")
    assert moved.synthesize(torch.zeros(2, 16, device="meta"), label).device.type == "meta"


def test_a_sheet_that_is_larger_than_a_batch_is_refused(checkout):
    done = checkout.sample("--sample_sheets", "--G_batch_size", "8", polarity=RHO)
    assert "error: --sample_sheets: a sheet has 10 classes, and a batch 8 latents" in done.stderr


def test_states_that_numpy_1_wrote_are_read(checkout, vendor, tmp_path):
    content = torch.load(checkout.weights / "state_dict.pth", weights_only=False)
    for name in ("G_ema.pth", "G.pth"):
        (tmp_path / name).write_bytes((checkout.weights / name).read_bytes())
    torch.save({**content, "best_FID": np.float64(30.5)}, tmp_path / "new.pth")
    with zipfile.ZipFile(tmp_path / "new.pth") as new, zipfile.ZipFile(tmp_path / "state_dict.pth", "w") as old:
        for entry in new.infolist():
            old.writestr(entry, new.read(entry).replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    pp.load(f"biggan-deep:{tmp_path}", "cpu")


def test_sheets_are_drawn_as_well(checkout):
    pictures = {}
    for polarity in (None, RHO):
        for path in (checkout.root / "samples/small").rglob("*.jpg"):
            path.unlink()
        checkout.sample("--sample_sheets", "--sample_random", "--sample_interps", polarity=polarity)
        found = sorted((checkout.root / "samples/small").rglob("*.jpg"))
        pictures[polarity] = {path.name: path.read_bytes() for path in found}
    changed = {name for name in pictures[None] if pictures[None][name] != pictures[RHO][name]}
    assert changed >= {"samples0.jpg", "random_samples.jpg"}
    assert len(pictures[None]) == 5


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--sample_trunc_curves", "0.1_0.1_0.2"], 2, "draws at many z_var"),
        (["--accumulate_stats"], 2, "--accumulate_stats changes the network"),
        (["--z_var", "1"], 1, "prior is normal, times 0.5"),
    ],
)
def test_what_cannot_be_is_refused(checkout, words, code, expected):
    done = checkout.sample(*NPZ, *words, polarity=RHO)
    assert done.returncode == code, done.stderr
    assert "error: " in done.stderr
    assert expected in done.stderr


def test_polarprior_seeds_names_nothing_for_sample_py(checkout, run_python):
    words = ["-m", "polarprior.cli", "seeds", checkout.bank, "--polarity=-0.1", "-n", 3, "--class", 0]
    done = run_python(*words, cwd=checkout.root, code=2)
    assert "take no seed a picture" in done.stderr
    assert "hint: give the script --polarity itself: polarprior run" in done.stderr


def test_files_that_are_not_the_repository_s_are_refused(checkout, vendor, tmp_path):
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "state_dict.pth").write_bytes(b"nothing")
    with pytest.raises(PolarPriorError, match="holds no generator: UnpicklingError"):
        pp.load(f"biggan-deep:{folder}", "cpu")
    torch.save({"config": {"model": "os"}}, folder / "state_dict.pth")
    with pytest.raises(PolarPriorError, match="its model is 'os', expected BigGANdeep or BigGAN"):
        pp.load(f"biggan-deep:{folder}", "cpu")
    (folder / "state_dict.pth").write_bytes((checkout.weights / "state_dict.pth").read_bytes())
    with pytest.raises(PolarPriorError, match="holds no generator: FileNotFoundError"):
        pp.load(f"biggan-deep:{folder}", "cpu")
    with pytest.raises(UsageError, match="expected a positive z_var"):
        pp.load(f"biggan-deep:{checkout.weights}", "cpu", trunc=0.0)
    assert torch.nn.ReLU not in torch.serialization.get_safe_globals(), "let in for a moment"
