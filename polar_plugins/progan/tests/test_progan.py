"""The plugin `progan` on checkpoints that the stock classes write, and the stock scripts in clones of checkouts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from PIL import Image
from polarprior.plugin import Bank, BankError, PolarPriorError, UsageError, top_singular_values
from polarprior.testing import GeneratorPluginTests
from polarprior_progan.repos import GAN_ZOO, GENFORCE
from polarprior_progan.small import GENFORCE_OPTIONS

TESTS = Path(__file__).parent
NAME = "small"
COUNT = 20
RHO = -0.3
DIM = 32


@dataclass
class Checkout:
    """A clone, with a small checkpoint, its bank, and what its stock functions draw."""

    repo: object
    folder: Path
    work: Path
    checkpoint: Path

    @property
    def bank(self):
        return self.work / "bank.safetensors"

    def script(self):
        """Words of the script that draws COUNT pictures into `out`."""
        if self.repo is GAN_ZOO:
            words = ["eval.py", "visualization", "-m", "PGAN", "-n", NAME, "-d", self.work, "--np_vis"]
            return [*words, "--save_dataset", self.work / "out", "--size_dataset", COUNT]
        words = ["synthesize.py", NAME, "--save_dir", self.work, "--num", COUNT]
        return [*words, "--generate_html", "false", "--save_raw_synthesis", "true"]

    def drawn(self, polarity=None, launcher=True, words=()):
        """(the finished process, the pictures' bytes). eval.py ends with an error of its own: it plots losses, and
        there are none."""
        folder = self.work / ("out" if self.repo is GAN_ZOO else f"{NAME}_{COUNT}")
        for path in folder.glob("*.jpg"):
            path.unlink()
        start = [TESTS.parents[1] / "seeded.py", *(["--launch"] if launcher else [])]  # eval.py seeds nothing
        words = [*start, *self.script(), *words]
        if polarity is not None:
            words += [f"--polarity={polarity}", f"--bank={self.bank}", "--force"]
        done = subprocess.run([sys.executable, *map(str, words)], cwd=self.folder, capture_output=True, text=True)
        return done, pictures(folder)


def pictures(folder):
    order = sorted(folder.glob("*.jpg"), key=lambda path: int(path.stem.removeprefix("gen_")))
    return [path.read_bytes() for path in order]


@pytest.fixture(scope="module", params=[GAN_ZOO, GENFORCE], ids=lambda repo: repo.name)
def checkout(request, clone_of, run_python, tmp_path_factory, forget):
    repo, work = request.param, tmp_path_factory.mktemp("work")
    folder = clone_of(repo)
    if repo is GAN_ZOO:
        path, checkpoint = work / NAME, work / NAME / f"{NAME}_s2_i100.pt"
    else:
        path = checkpoint = folder / "checkpoints" / f"{NAME}.pth"
        path.parent.mkdir()
        entry = {"gan_type": "pggan", "url": "", **GENFORCE_OPTIONS}
        with (folder / "models/model_zoo.py").open("a") as file:
            file.write(f"\nMODEL_ZOO[{NAME!r}] = {entry}\n")
        commit = ["git", "-c", "user.name=me", "-c", "user.email=me", "commit", "-qam", "My model"]
        subprocess.run(commit, cwd=folder, check=True)
    run_python("-m", "polarprior_progan.small", "zoo" if repo is GAN_ZOO else "genforce", path, cwd=folder)
    made = Checkout(repo, folder, work, checkpoint)
    build = ["bank", "build", f"progan:{checkpoint}", "-n", 120, "-k", 6, "--out", made.bank]
    run_python("-m", "polarprior.cli", *build, cwd=folder)
    yield made
    forget()


@pytest.fixture(scope="module")
def stock(checkout, run_python):
    """(the script's own pictures, those of the bank's rows), as bytes."""
    rows = [np.random.RandomState(seed).randn(DIM) for seed in Bank.open(checkout.bank).seeds]
    latents, out, of_rows = (checkout.work / name for name in ("latents.npy", "stock", "rows"))
    np.save(latents, np.stack(rows).astype(np.float32))
    words = [COUNT, latents, out, of_rows]
    if checkout.repo is GAN_ZOO:
        run_python(TESTS / "stock_zoo.py", checkout.folder, checkout.work, NAME, *words, cwd=checkout.work)
    else:
        script = TESTS / "stock_genforce.py"
        run_python(script, checkout.folder, NAME, checkout.checkpoint, *words, cwd=checkout.work)
    return pictures(out), pictures(of_rows)


@pytest.fixture
def generator(checkout):
    return pp.load(f"progan:{checkout.checkpoint}", "cpu")


class TestConformance(GeneratorPluginTests):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, checkout):
        cls.model = f"progan:{checkout.checkpoint}"


def test_without_polarity_the_pictures_are_the_stock_ones(checkout, stock):
    for polarity in (None, 0):
        assert checkout.drawn(polarity)[1] == stock[0]


def test_every_picture_is_that_of_a_bank_row(checkout, stock, check_patch):
    drawn = checkout.drawn(RHO)[1]
    assert drawn != stock[0]
    assert len(drawn) == COUNT
    if checkout.repo is GENFORCE:  # it makes one picture at a time, as the reference does
        assert set(drawn) <= set(stock[1])
    rows = np.stack([pixels(row) for row in stock[1]])
    for picture in map(pixels, drawn):  # a value rounded the other way is several in a JPEG; others differ by 100
        assert np.abs(rows - picture).reshape(len(rows), -1).max(1).min() <= 4

    def patched():
        assert checkout.drawn(RHO, launcher=False)[1] == drawn

    check_patch(checkout.folder, checkout.repo.scripts, patched)


def pixels(picture):
    import io

    return np.asarray(Image.open(io.BytesIO(picture)), int)


def test_what_cannot_be_is_refused(checkout, run_python):
    path = checkout.work / "other.safetensors"
    build = ["bank", "build", f"progan:{checkout.checkpoint}", "-n", 20, "-k", 4, "--trunc", 2, "--out", path]
    run_python("-m", "polarprior.cli", *build, cwd=checkout.folder)
    done, _ = checkout.drawn(words=["--polarity=-0.1", f"--bank={path}", "--force"])
    assert done.returncode == 1
    assert "prior is truncated-normal:2, progan has normal" in done.stderr
    done, _ = checkout.drawn(words=["--polarity=-5", f"--bank={checkout.bank}"])
    assert done.returncode == 1
    assert "error: --polarity: got -5" in done.stderr
    words = ["-m", "polarprior.cli", "seeds", checkout.bank, "--polarity=-0.1", "-n", 3]
    assert "take no seed a picture" in run_python(*words, cwd=checkout.work, code=2).stderr


def test_what_draws_no_latents_of_the_prior_is_refused(checkout):
    if checkout.repo is not GAN_ZOO:
        pytest.skip("synthesize.py does one thing")
    for words, expected in (
        (["metric_plot", "-m", "PGAN"], "metric_plot does not draw"),
        (["visualization", "-m", "PGAN", "-n", NAME, "-d", checkout.work, "--random_interpolate"], "between draws"),
    ):
        start = ["-m", "polarprior.cli", "run", "eval.py", *words, "--np_vis", "--polarity=-0.1"]
        command = [sys.executable, *map(str, [*start, f"--bank={checkout.bank}", "--force"])]
        done = subprocess.run(command, cwd=checkout.folder, capture_output=True, text=True)
        assert done.returncode == 2, done.stderr
        assert "error: --polarity: " in done.stderr
        assert expected in done.stderr


def test_spectra_agree_with_a_dense_svd_in_float64(checkout, generator):
    latents = generator.prior.draw([0, 5])
    found = top_singular_values(pp.jacobian_fn(generator)(latents), 6).log_sigma
    wide = pp.load(f"progan:{checkout.checkpoint}", "cpu").network.double()

    def images(z):
        made = wide(z)
        return (made["image"] if isinstance(made, dict) else made).flatten()

    for z, mine in zip(latents.z.double(), found, strict=True):
        on_sphere = z[None] * DIM**0.5 / z.norm()
        dense = torch.autograd.functional.jacobian(images, on_sphere)[:, 0]
        assert torch.allclose(torch.linalg.svdvals(dense)[:6].log(), mine.double(), atol=1e-3)


def test_the_truncation_of_the_paper_s_control(checkout, generator):
    """Supplement C.2: numbers of z within [-beta, beta]; on the sphere nothing but their directions is left."""
    control = pp.load(f"progan:{checkout.checkpoint}", "cpu", trunc=0.5)
    z = control.prior.draw(range(200)).z
    assert z.abs().max() <= 0.5
    assert not torch.equal(control(control.prior.draw([3])), generator(generator.prior.draw([3])))
    with pytest.raises(BankError, match="prior is normal"):
        pp.latent_sampler(control, Bank.open(checkout.bank), rho=-0.01)
    for trunc in (0.0, -1.0):
        with pytest.raises(UsageError, match="expected a positive support"):
            pp.load(f"progan:{checkout.checkpoint}", "cpu", trunc=trunc)
    with pytest.raises(UsageError, match="no such setting"):
        pp.load(f"progan:{checkout.checkpoint}", "cpu", noise_mode="const")


def test_files_that_are_no_checkpoint_are_refused(checkout, generator, tmp_path):
    path = tmp_path / "file.pth"

    def refused(reason):
        with pytest.raises(PolarPriorError, match=reason):
            pp.load(f"progan:{path}", "cpu")

    refused("no file")
    path.write_bytes(b"nothing")
    refused("holds no generator: UnpicklingError")
    torch.save({"weights": 1}, path)
    refused("it holds weights")
    content = torch.load(checkout.checkpoint, weights_only=False)
    if checkout.repo is GAN_ZOO:
        content["config"].attribKeysOrder = {"Gender": {"order": 0, "values": ["a", "b"]}}
        torch.save(content, path)
        refused("it was trained on labels")
        content["config"].attribKeysOrder = None
        content["config"].lossCriterion = "system"
        torch.save(content, path)
        refused("its loss is 'system'")
    else:
        del content["generator_smooth"]["layer3.weight"]
        torch.save(content, path)
        refused("lacks 1 of the model's tensors, such as layer3.weight")
    with pytest.raises(UsageError, match="expected progan:FILE"):
        pp.load("progan", "cpu")
