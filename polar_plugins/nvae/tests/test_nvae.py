"""The plugin `nvae` on checkpoints that the stock classes write, and evaluate.py in a clone of a checkout."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
import polarprior as pp
import pytest
import torch
from click.testing import CliRunner
from polarprior.plugin import Bank, BankError, PolarPriorError, UsageError, top_singular_values
from polarprior.testing import THREE_HOOKS, GeneratorPluginTests
from polarprior_nvae.noise import draw_as_stock, group_lengths, group_shapes
from polarprior_nvae.readjust import main as readjusted
from polarprior_nvae.readjust import readjust
from polarprior_nvae.repos import NVAE

TESTS = Path(__file__).parent
TEMPERATURE = 0.7
RHO = -0.1
DATASETS = ("mnist", "cifar10")


@dataclass
class Checkout:
    """A clone, with a small checkpoint of each kind of data, and a bank of the first."""

    folder: Path
    work: Path

    @property
    def bank(self):
        return self.work / "bank.safetensors"

    def checkpoint(self, dataset):
        return self.work / f"{dataset}.pt"

    def drawn(self, *words, polarity=None, launcher=True, temperature=TEMPERATURE):
        """The script's first two batches, or what it printed where it draws none: 50,000 images are too many."""
        out = self.work / "out"
        for path in [*out.glob("*.npz"), *out.glob("*.txt")]:
            path.unlink()
        script = [TESTS.parents[1] / "seeded.py", *(["--launch"] if launcher else [])]  # evaluate.py seeds nothing
        script += ["evaluate.py", "--checkpoint", self.checkpoint("mnist"), "--save", out, "--temp", temperature]
        if polarity is not None:
            words = (*words, f"--polarity={polarity}", f"--bank={self.bank}", "--force")
        command = [sys.executable, *map(str, [*script, *words])]
        with (self.work / "printed").open("w+") as printed:
            process = subprocess.Popen(command, cwd=self.folder, stdout=printed, stderr=subprocess.STDOUT)
            try:
                while process.poll() is None and not (out / "gpu_0_samples_2.npz").exists():
                    time.sleep(0.1)
            finally:
                process.kill()
                process.wait()
        names = [out / f"gpu_0_samples_{i}.npz" for i in range(2)]
        if not names[1].exists():
            return (self.work / "printed").read_text()
        return np.concatenate([np.load(name)["samples"] for name in names])


@pytest.fixture(scope="module")
def checkout(clone_of, run_python, tmp_path_factory):
    made = Checkout(clone_of(NVAE), tmp_path_factory.mktemp("work"))
    for dataset in DATASETS:
        flows = 1 if dataset == "cifar10" else 0  # as the official ones of RGB data have them
        words = ["-m", "polarprior_nvae.small", made.checkpoint(dataset), "--dataset", dataset, "--flows", flows]
        run_python(*words, cwd=made.folder)
    build = ["bank", "build", f"nvae:{made.checkpoint('mnist')}", "-n", 60, "-k", 4, "--temp", TEMPERATURE]
    run_python("-m", "polarprior.cli", *build, "--out", made.bank, cwd=made.folder)
    return made


@pytest.fixture(scope="module", params=DATASETS)
def stock(request, checkout, run_python):
    """(data set, what the stock functions give for it, the noise of the bank's rows)."""
    noise = np.stack([np.random.RandomState(seed).randn(160) for seed in range(60)]).astype(np.float32)
    np.save(checkout.work / "noise.npy", noise)
    out = checkout.work / f"{request.param}.npz"
    words = [checkout.checkpoint(request.param), TEMPERATURE, checkout.work / "noise.npy", out]
    run_python(TESTS / "stock_nvae.py", checkout.folder, *words, cwd=checkout.work)
    return request.param, np.load(out), torch.from_numpy(noise)


class TestConformance(GeneratorPluginTests):
    spaces = ("pixel", "encoder")
    own_spaces = ("encoder",)
    own_hooks = THREE_HOOKS
    dataset = "mnist"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, checkout):
        cls.model = f"nvae:{checkout.checkpoint(cls.dataset)}"


class TestConformanceInRGB(TestConformance):
    dataset = "cifar10"


def test_from_the_same_noise_the_images_are_the_stock_ones_bit_for_bit(checkout, stock):
    """At temperature 1, from the noise that the stock sampler draws; at another, from that of bank rows."""
    dataset, given, noise = stock
    one = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu", temperature=1.0)
    torch.manual_seed(5)
    drawn = draw_as_stock(3, group_shapes(one.network), torch.device("cpu"))
    assert torch.equal(one(pp.Latents(drawn)), 2 * torch.from_numpy(given["seed5"]) - 1)
    other = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu", temperature=TEMPERATURE)
    assert torch.equal(other.prior.draw(range(60)).z, noise)
    assert torch.equal(other(pp.Latents(noise), batch_size=60), 2 * torch.from_numpy(given["rows"]) - 1)
    assert other.settings == pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu").settings, "as evaluate.py"


@pytest.mark.parametrize("dataset", DATASETS)
def test_spectra_agree_with_a_dense_svd_in_float64(checkout, dataset):
    """Spectra by the noise of all groups, and by that of the top one, by the stock weight normalisation."""
    generator = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu")
    wide = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu")
    for layer in wide.network.modules():  # the stock normalisation, in float64
        vars(layer).pop("normalize_weight", None)
    wide.network.double()
    top = prod(group_shapes(generator.network)[0])
    latents = generator.prior.draw([0, 3])
    for domain, columns in (("z", 160), ("top", top)):
        found = top_singular_values(pp.jacobian_fn(generator, "pixel", domain)(latents), 5, estimator="exact")
        for row, noise in enumerate(latents.z.double()):
            pushed = [
                torch.func.jvp(lambda z: wide.synthesize(z, None), (noise[None],), (basis[None],))[1].flatten()
                for basis in torch.eye(160, dtype=torch.float64)[:columns]
            ]
            dense = torch.linalg.svdvals(torch.stack(pushed, 1).detach())[:5].log()
            assert torch.allclose(found.log_sigma[row].double(), dense, atol=1e-3)


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_encoder_is_the_checkpoint_s_own(checkout, run_python, dataset):
    """Its means are, bit for bit, those of the stock network's own forward pass at batch size 1, without noise."""
    generator = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu")
    images = generator(generator.prior.draw(range(3)))
    given, out = checkout.work / "images.npy", checkout.work / f"{dataset}-means.npz"
    np.save(given, ((images + 1) / 2).numpy())
    words = [checkout.checkpoint(dataset), given, out]
    run_python(TESTS / "stock_encoder.py", checkout.folder, *words, cwd=checkout.work)
    groups = group_shapes(generator.network)
    top = [shape for shape in groups if shape[1:] == groups[0][1:]]
    features = pp.feature_map(generator, "encoder")(images)
    assert features.shape == (3, sum(map(prod, top)))
    assert len(top) == 2
    with np.load(out) as stock:
        expected = [stock[f"group{group}"].reshape(3, -1) for group in range(len(top))]
    assert np.array_equal(features.numpy(), np.concatenate(expected, 1))


@pytest.mark.parametrize("dataset", DATASETS)
def test_spectra_in_it_agree_with_a_dense_svd_in_float64(checkout, dataset):
    """By the stock weight normalisation, as above."""
    generator = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu")
    wide = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu")
    for layer in wide.network.modules():
        vars(layer).pop("normalize_weight", None)
        if hasattr(layer, "mask") and torch.is_tensor(layer.mask):
            layer.mask = layer.mask.double()
    wide.network.double()
    phi = pp.feature_map(wide, "encoder").function
    latents = generator.prior.draw([0, 3])
    found = top_singular_values(pp.jacobian_fn(generator, "encoder")(latents), 4, estimator="exact").log_sigma
    for row, noise in enumerate(latents.z.double()):
        dense = torch.autograd.functional.jacobian(lambda z: phi(wide.synthesize(z, None))[0], noise[None])[:, 0]
        assert torch.allclose(found[row].double(), torch.linalg.svdvals(dense)[:4].log(), atol=1e-3)


def test_every_group_has_a_shell(checkout):
    """Also in a process that has no network at hand, as that of a stock script."""
    generator = pp.load(f"nvae:{checkout.checkpoint('mnist')}", "cpu")
    bank = pp.build_bank(generator, 400, 4)
    alone = replace(generator, network=None)
    sampler = pp.latent_sampler(alone, bank, 0.01, support="shell", force=True)
    stated = sampler.described()["laws"][0]["support"]
    lengths = group_lengths(generator.prior.draw(bank.seeds).z, generator.prior.groups)
    assert lengths.shape == (400, 4)
    assert (lengths**2).sum(1) == pytest.approx(generator.prior.draw(bank.seeds).z.square().sum(1).numpy(), rel=1e-5)
    tail = 0.005 / 4
    for group in range(4):
        expected = np.quantile(lengths[:, group], [tail, 1 - tail])
        assert [stated["low"][group], stated["high"][group]] == pytest.approx(expected.tolist())


def test_a_checkpoint_whose_flows_are_not_whole_is_refused(checkout, vendor, tmp_path):
    content = torch.load(checkout.checkpoint("cifar10"), weights_only=False)
    flows = [key for key in content["state_dict"] if key.startswith("nf_cells.3.")]
    kept = {key: value for key, value in content["state_dict"].items() if key != flows[0]}
    torch.save({**content, "state_dict": kept}, tmp_path / "checkpoint.pt")
    with pytest.raises(PolarPriorError, match="lacks 1 tensors of its normalising flows"):
        pp.load(f"nvae:{tmp_path}/checkpoint.pt", "cpu")
    kept = {key: value for key, value in content["state_dict"].items() if key not in flows}
    torch.save({**content, "state_dict": kept}, tmp_path / "checkpoint.pt")
    with pytest.raises(PolarPriorError, match="holds 3 normalising flows, expected 4"):
        pp.load(f"nvae:{tmp_path}/checkpoint.pt", "cpu")


@pytest.mark.parametrize("dataset", DATASETS)
def test_nothing_stays_behind_when_a_generator_moves(checkout, dataset):
    moved = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu").on(torch.device("meta"))
    assert moved.synthesize(torch.zeros(2, 160, device="meta"), None).device.type == "meta"


def test_the_top_group_has_banks_of_its_own(checkout):
    generator = pp.load(f"nvae:{checkout.checkpoint('mnist')}", "cpu")
    bank = pp.build_bank(generator, 30, 4, domain="top")
    assert bank.info.domain == "top"
    sampler = pp.latent_sampler(generator, bank, rho=0.1, force=True)
    drawn = sampler.sample(range(100, 110)).z
    rows = generator.prior.draw(bank.seeds).z
    assert (drawn[:, None] == rows).all(2).any(1).all(), "a row is the noise of all groups"
    with pytest.raises(UsageError, match=r"^k: got 17"):
        pp.build_bank(generator, 4, 17, domain="top")


def test_without_polarity_the_script_is_the_stock_one(checkout, stock):
    dataset, given, _ = stock
    if dataset != "mnist":
        pytest.skip("evaluate.py draws noise of its own for RGB, after the latents")
    expected = np.concatenate([given["batch0"], given["batch1"]])
    for polarity in (None, 0):
        assert np.array_equal(checkout.drawn(polarity=polarity), expected)


def test_every_sample_is_that_of_a_bank_row(checkout, stock, check_patch):
    dataset, given, _ = stock
    if dataset != "mnist":
        pytest.skip("evaluate.py draws noise of its own for RGB, after the latents")
    drawn = checkout.drawn(polarity=RHO)
    assert len(drawn) == 200
    distances = np.abs(drawn[:, None] - given["rows"][None]).reshape(200, 60, -1).max(2).min(1)
    assert distances.max() <= 1 / 255

    def patched():
        assert np.array_equal(checkout.drawn(polarity=RHO, launcher=False), drawn)

    check_patch(checkout.folder, ["evaluate.py"], patched)


def test_batch_norm_is_readjusted_as_the_stock_network_does_it(checkout, stock, monkeypatch):
    dataset, given, _ = stock
    monkeypatch.setattr("polarprior_nvae.readjust.BATCHES", 2)
    network = pp.load(f"nvae:{checkout.checkpoint(dataset)}", "cpu").network
    readjust(network, TEMPERATURE)
    found = {name: each for name, each in network.state_dict().items() if ".running_" in name}
    assert found.keys() == {name for name in given.files if ".running_" in name}
    for name, each in found.items():
        np.testing.assert_allclose(each.numpy(), given[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_readjusted_checkpoint_is_for_the_script_without_its_option(checkout, tmp_path):
    own, out = checkout.checkpoint("mnist"), tmp_path / "readjusted.pt"
    words = [str(own), "--temp", str(TEMPERATURE), "--out", str(out)]
    assert CliRunner().invoke(readjusted, words).exit_code == 0
    refused = CliRunner().invoke(readjusted, words)
    assert refused.exit_code == 1
    assert f"error: --out: {out} exists already" in refused.stderr
    before, after = (checkout.drawn("--checkpoint", str(each)).mean(0) for each in (own, out))
    stock = checkout.drawn("--readjust_bn").mean(0)
    assert np.abs(after - stock).mean() < 0.2 * np.abs(after - before).mean()


def test_what_cannot_be_is_refused(checkout, run_python):
    printed = checkout.drawn("--readjust_bn", polarity=RHO)
    assert "error: --polarity: --readjust_bn changes the network" in printed
    assert f"python -m polarprior_nvae.readjust {checkout.checkpoint('mnist')} --temp 0.7 --out" in printed
    printed = checkout.drawn(polarity=RHO, temperature=1)
    assert "is for temperature 0.7" in printed
    assert "--temp 1 --out BANK" in printed
    words = ["-m", "polarprior.cli", "seeds", checkout.bank, "--polarity=-0.1", "-n", 3]
    assert "take no seed a picture" in run_python(*words, cwd=checkout.work, code=2).stderr
    source = f"nvae:{checkout.checkpoint('mnist')}"
    with pytest.raises(BankError, match="is for temperature"):
        Bank.open(checkout.bank).check_fits(pp.load(source, "cpu", temperature=0.5))
    with pytest.raises(UsageError, match="expected a positive temperature"):
        pp.load(source, "cpu", temperature=0.0)
    with pytest.raises(UsageError, match=r"use temperature=0\.7"):
        pp.load(source, "cpu", trunc=0.5)


def test_files_that_are_no_checkpoint_are_refused(checkout, vendor, tmp_path):
    path = tmp_path / "checkpoint.pt"

    def refused(reason):
        with pytest.raises(PolarPriorError, match=reason):
            pp.load(f"nvae:{path}", "cpu")

    refused("no file")
    path.write_bytes(b"nothing")
    refused("holds no generator: UnpicklingError")
    torch.save({"args": 1}, path)
    refused("holds no generator: TypeError")
    content = torch.load(checkout.checkpoint("mnist"), weights_only=False)
    key = next(key for key in content["state_dict"] if key.endswith("log_weight_norm"))
    del content["state_dict"][key]
    torch.save(content, path)
    refused("lacks 1 of the model's tensors")
    content["args"].num_channels_dec = 10**6
    torch.save(content, path)
    refused("holds no generator")
    with pytest.raises(UsageError, match="expected nvae:FILE"):
        pp.load("nvae", "cpu")
