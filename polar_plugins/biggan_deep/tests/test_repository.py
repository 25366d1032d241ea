"""The plugin `biggan-deep` on ajbrock/BigGAN-PyTorch: its weights, and its sample.py in a clone of a checkout."""

from __future__ import annotations

import copy
import importlib
import subprocess
import sys
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import Bank, PolarPriorError, UsageError, top_singular_values
from polarprior.testing import THREE_HOOKS, GeneratorPluginTests
from polarprior_biggan_deep.biggan_pytorch import generator_of as biggan_of
from polarprior_biggan_deep.biggan_pytorch import stock_pass
from polarprior_biggan_deep.folding import FoldedNorms, folded
from polarprior_biggan_deep.repos import BIGGAN_PYTORCH
from polarprior_biggan_deep.small import settle
from scipy.stats import norm

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
    spaces = ("pixel", "discriminator")
    own_spaces = ("discriminator",)
    own_hooks = THREE_HOOKS
    number = norm()  # trunc is 1 where none is asked for

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, checkout):
        cls.model = f"biggan-deep:{checkout.weights}"


@pytest.fixture(scope="module")
def generator(checkout, vendor):
    return pp.load(f"biggan-deep:{checkout.weights}", "cpu", trunc=Z_VAR)


@pytest.fixture(scope="module")
def own_discriminator(checkout, generator):
    """The experiment's, made as train.py makes it: nothing of the plugin is in between."""
    import BigGANdeep  # of the checkout

    config = torch.load(checkout.weights / "state_dict.pth", weights_only=False)["config"]
    network = BigGANdeep.Discriminator(**config)
    network.load_state_dict(torch.load(checkout.weights / "D.pth"))
    return network.eval().requires_grad_(False)


def last_features(network, image, label):
    """What the last layer of a stock discriminator is given, and its output, for one image."""
    seen = []
    hook = network.linear.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    output = network(image, torch.tensor([label]))
    hook.remove()
    return seen[0], output


def test_the_discriminator_is_the_experiment_s_own(generator, own_discriminator):
    """Logits and features are, bit for bit, those of its own forward pass at batch size 1."""
    latents = generator.prior.draw(range(3), [0, 4, 9])
    images = generator(latents)
    features = pp.feature_map(generator, "discriminator")(images)
    logits = generator.discriminator(images, latents.label)
    for row, label in enumerate(latents.label.tolist()):
        expected, logit = last_features(own_discriminator, images[row : row + 1], label)
        assert torch.equal(features[row], expected[0])
        assert torch.equal(logits[row], logit[0, 0])
        assert torch.equal(last_features(own_discriminator, images[row : row + 1], 7)[0], expected), "of no class"


def test_spectra_in_it_agree_with_a_dense_svd_in_float64(checkout, generator, own_discriminator):
    import BigGANdeep  # of the checkout

    config = torch.load(checkout.weights / "state_dict.pth", weights_only=False)["config"]
    network = BigGANdeep.Generator(**config, no_optim=True).eval().requires_grad_(False)
    network.load_state_dict(torch.load(checkout.weights / "G_ema.pth"), strict=False)
    wide, judge = network.double(), copy.deepcopy(own_discriminator).double()
    latents = generator.prior.draw([0, 5], [1, 8])
    for space in ("pixel", "discriminator"):
        found = top_singular_values(pp.jacobian_fn(generator, space)(latents), 6, estimator="exact").log_sigma
        for row, label in enumerate(latents.label.tolist()):

            def mapped(z, label=label, space=space):
                images = wide(z, wide.shared(torch.tensor([label])))
                return images.flatten() if space == "pixel" else last_features(judge, images, label)[0].flatten()

            dense = torch.autograd.functional.jacobian(mapped, latents.z[row : row + 1].double())[:, 0]
            assert torch.allclose(found[row].double(), torch.linalg.svdvals(dense)[:6].log(), atol=1e-3)


@pytest.mark.parametrize("name", ["sir", "drs", "dot:3"])
def test_rivals_ask_it_and_are_told_what_its_numbers_are(generator, name):
    pytest.importorskip("polarprior_rivals")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        sampler = pp.latent_sampler(generator, sampler=f"rivals:{name}", label=3)
    told = [str(each.message) for each in said]
    assert len(told) == (name != "dot:3")
    assert all("was trained by hinge: it ranks images" in each for each in told)
    assert not torch.equal(sampler.sample(range(4), 3).z, generator.prior.draw(range(4)).z)


def test_an_experiment_without_a_discriminator_says_so(checkout, vendor, tmp_path):
    for name in ("state_dict.pth", "G_ema.pth"):
        (tmp_path / name).write_bytes((checkout.weights / name).read_bytes())
    alone = pp.load(f"biggan-deep:{tmp_path}", "cpu")
    assert alone.spaces == ()
    with pytest.raises(UsageError, match=f"{tmp_path} holds no discriminator"):
        pp.feature_map(alone, "discriminator")
    (tmp_path / "D.pth").write_bytes(b"nothing")
    damaged = pp.load(f"biggan-deep:{tmp_path}", "cpu")  # what needs none goes on
    with pytest.raises(PolarPriorError, match=r"D\.pth holds no discriminator: UnpicklingError"):
        pp.feature_map(damaged, "discriminator")


NETWORKS = {
    "deep": ("BigGANdeep", {}),
    "deep, by its own batch norm": ("BigGANdeep", {"mybn": True}),
    "deep, by instance": ("BigGANdeep", {"norm_style": "in"}),
    "BigGAN": ("BigGAN", {"dim_z": 20, "G_ch": 4}),
    "BigGAN, not hierarchical": ("BigGAN", {"dim_z": 20, "G_ch": 4, "hier": False}),
    "BigGAN, an embedding a layer": ("BigGAN", {"dim_z": 20, "G_ch": 4, "hier": False, "G_shared": False}),
}
"""The deep one is always hierarchical: the stock class can't do otherwise."""
FOLDED = {"deep", "deep, by its own batch norm", "BigGAN", "BigGAN, not hierarchical"}


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_norms_change_no_image(checkout, generator, name):
    """Every network that sample.py can make; those without norms that can be folded keep their pass."""
    kind, options = NETWORKS[name]
    module = importlib.import_module(kind)  # of the checkout
    config = torch.load(checkout.weights / "state_dict.pth", weights_only=False)["config"]
    with torch.random.fork_rng():
        torch.manual_seed(0)  # inside fork_rng: the layers' initial weights
        network = module.Generator(**{**config, "G_init": "N02", **options}, no_optim=True)
        settle(network, lambda: network(torch.randn(2, network.dim_z), network.shared(torch.arange(2))))
    stock = stock_pass(biggan_of(network.eval(), pp.Settings()))
    stream = torch.Generator().manual_seed(0)
    z, label = torch.randn(4, network.dim_z, generator=stream), torch.tensor([0, 3, 3, 9])
    with torch.no_grad():
        draw = folded(stock, z, label)
        assert isinstance(draw, FoldedNorms) == (name in FOLDED)
        assert (draw(z, stock.embed(label)) - stock.draw(z, stock.embed(label))).abs().max() < 2e-5


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


def test_a_joint_law_draws_the_classes_too(checkout, stock):
    """Every sample is that of a bank row of the class that the script writes down, and that is often another."""
    images, labels = checkout.drawn("--joint", polarity=RHO)
    assert not np.array_equal(labels, stock["y"])
    bank = Bank.open(checkout.bank)
    for image, label in zip(images.astype(int), labels, strict=True):
        rows = stock["rows"][bank.rows_of(int(label))].astype(int)
        assert np.abs(rows - image).reshape(len(rows), -1).max(1).min() <= 1
    done = checkout.sample(*NPZ, "--joint", polarity=RHO)
    assert "of draws change class" in done.stderr
    done = checkout.sample("--sample_sheets", "--joint", polarity=RHO)
    assert done.returncode == 2
    assert "error: --joint: --sample_sheets shows class by class" in done.stderr


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
        (["--z_var", "1"], 1, "is for the prior normal, times 0.5"),
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
