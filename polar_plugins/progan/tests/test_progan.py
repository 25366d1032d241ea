"""The plugin `progan` on checkpoints that the stock classes write, and the stock scripts in clones of checkouts."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from PIL import Image
from polarprior.plugin import (
    Bank,
    BankError,
    LinearMap,
    PolarPriorError,
    UsageError,
    on_sphere,
    top_singular_values,
)
from polarprior.testing import THREE_HOOKS, GeneratorPluginTests
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
    spaces = ("pixel", "discriminator")
    own_spaces = ("discriminator",)
    own_hooks = THREE_HOOKS

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
    assert "is for the prior truncated-normal:2, progan has normal" in done.stderr
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


def own_discriminator(checkout):
    """The checkpoint's, by the stock classes, and its last layer: nothing of the plugin is in between."""
    content = torch.load(checkout.checkpoint, weights_only=False)
    if checkout.repo is GAN_ZOO:
        from models.networks.progressive_conv_net import DNet  # of the checkout

        config = content["config"]
        network = DNet(config.depthScale0, miniBatchNormalization=config.miniBatchStdDev)
        for depth in config.depthOtherScales:
            network.addScale(depth)
        network.load_state_dict(content["netD"])
        return network.eval().requires_grad_(False), network.decisionLayer
    from models import build_discriminator  # of the checkout

    options = {name: value for name, value in GENFORCE_OPTIONS.items() if name != "z_space_dim"}
    network = build_discriminator("pggan", **options)
    network.load_state_dict(content["discriminator"])
    return network.eval().requires_grad_(False), network.layer6


def last_features(network, last, image):
    """What the last layer of a stock discriminator is given, and its output, for one image."""
    seen = []
    hook = last.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    output = network(image)
    hook.remove()
    return seen[0].flatten(1), output


@pytest.mark.parametrize("space", ["pixel", "discriminator"])
def test_spectra_agree_with_a_dense_svd_in_float64(checkout, generator, space):
    latents = generator.prior.draw([0, 5])
    found = top_singular_values(pp.jacobian_fn(generator, space)(latents), 6).log_sigma
    wide = pp.load(f"progan:{checkout.checkpoint}", "cpu").network.double()
    judge, last = own_discriminator(checkout)
    judge.double()

    def mapped(z):
        made = wide(z)
        images = made["image"] if isinstance(made, dict) else made
        return (images if space == "pixel" else last_features(judge, last, images)[0]).flatten()

    for z, mine in zip(latents.z.double(), found, strict=True):
        dense = torch.autograd.functional.jacobian(mapped, on_sphere(z[None]))[:, 0]
        assert torch.allclose(torch.linalg.svdvals(dense)[:6].log(), mine.double(), atol=1e-3)


def test_the_radius_has_no_volume_to_the_last_digit(generator):
    """J y = 0, where rounding would leave a millionth; the other directions are what plain differentiation gives."""
    latents = generator.prior.draw(range(3))
    found = pp.jacobian_fn(generator)(latents)
    y = on_sphere(latents.z)
    assert found.jvp(y[:, :, None]).abs().max() < 1e-6 * found.jvp(torch.randn(3, DIM, 1)).abs().max()
    plain = LinearMap.of(lambda z: generator.synthesize(z, None), y)
    ours, theirs = (top_singular_values(each, 6, estimator="exact").log_sigma for each in (found, plain))
    assert (ours - theirs).abs().max() < 1e-5
    half = found.bfloat16()
    assert (half.jvp(y[:, :, None])).abs().max() < 1e-2 * half.jvp(torch.randn(3, DIM, 1)).abs().max()


def test_the_discriminator_is_the_checkpoint_s_own(checkout, generator):
    """Logits and features are, bit for bit, those of its own forward pass at batch size 1."""
    network, last = own_discriminator(checkout)
    images = generator(generator.prior.draw(range(3)))
    features = pp.feature_map(generator, "discriminator")(images)
    logits = generator.discriminator(images)
    for row in range(3):
        expected, logit = last_features(network, last, images[row : row + 1])
        assert torch.equal(features[row], expected[0])
        assert torch.equal(logits[row], logit[0, 0])
    if checkout.repo is GENFORCE:
        content = torch.load(checkout.checkpoint)
        weight = content["discriminator"]["layer4.weight"]
        assert weight.shape[1] == weight.shape[0] + 1, "with a channel for the minibatch"


@pytest.mark.parametrize("name", ["sir", "drs", "dot:3"])
def test_rivals_ask_it_and_are_told_what_its_numbers_are(checkout, generator, name):
    pytest.importorskip("polarprior_rivals")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sampler = pp.latent_sampler(generator, sampler=f"rivals:{name}")
    told = [str(each.message) for each in said]
    assert len(told) == (name != "dot:3")
    loss = "by WGAN-GP" if checkout.repo is GAN_ZOO else "by a loss that the checkpoint doesn't name"
    assert all(f"was trained {loss}: it ranks images" in each for each in told)
    assert not torch.equal(sampler.sample(range(4)).z, generator.prior.draw(range(4)).z)


def test_a_checkpoint_without_a_discriminator_says_so(checkout, vendor, tmp_path):
    content = torch.load(checkout.checkpoint, weights_only=False)
    del content["netD" if checkout.repo is GAN_ZOO else "discriminator"]
    path = tmp_path / f"{NAME}.pth"
    torch.save(content, path)
    alone = pp.load(f"progan:{path}", "cpu")
    assert alone.spaces == ()
    with pytest.raises(UsageError, match="holds no discriminator"):
        pp.feature_map(alone, "discriminator")
    with pytest.raises(UsageError, match="needs a discriminator, progan brings none"):
        pp.latent_sampler(alone, sampler="rivals:drs")


def test_the_truncation_of_the_paper_s_control(checkout, generator):
    """Supplement C.2: numbers of z within [-beta, beta]; on the sphere nothing but their directions is left."""
    control = pp.load(f"progan:{checkout.checkpoint}", "cpu", trunc=0.5)
    z = control.prior.draw(range(200)).z
    assert z.abs().max() <= 0.5
    assert not torch.equal(control(control.prior.draw([3])), generator(generator.prior.draw([3])))
    with pytest.raises(BankError, match="is for the prior normal"):
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
