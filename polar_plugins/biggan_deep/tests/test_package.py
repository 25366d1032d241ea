"""The plugin `biggan-deep` on small models in the format of pytorch-pretrained-biggan, which PyPI has."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

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
    flag_verdict,
    top_singular_values,
)
from polarprior.testing import GeneratorPluginTests, main
from polarprior_biggan_deep.folding import folded
from polarprior_biggan_deep.pretrained_biggan import stock_pass
from pytorch_pretrained_biggan import BigGAN, truncated_noise_sample
from scipy.stats import chisquare, truncnorm
from torch.fx.experimental.proxy_tensor import make_fx

TRUNC = 0.4
CLASSES = 3


def small(folder, *options):
    words = [sys.executable, "-m", "polarprior_biggan_deep.small", "package", folder, *options]
    subprocess.run(list(map(str, words)), check=True)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small(tmp_path_factory.mktemp("package"), "--classes", CLASSES)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    return small(tmp_path_factory.mktemp("imagenet"), "--classes", 1000)


@pytest.fixture(scope="module")
def generator(folder):
    return pp.load(f"biggan-deep:{folder}", "cpu", trunc=TRUNC)


@pytest.fixture(scope="module")
def stock(folder):
    """The package's own model, as its README says, but for the eval mode that it forgets."""
    return BigGAN.from_pretrained(str(folder)).eval()


@pytest.fixture(scope="module")
def bank(generator):
    return pp.build_bank(generator, 240, 6)


class TestConformance(GeneratorPluginTests):
    own_hooks = ("get_latent_sampler", "jacobian_fn")  # DeepMind has published no discriminator
    number = truncnorm(-2, 2)  # trunc is 1 where none is asked for

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, folder):
        cls.model = f"biggan-deep:{folder}"


def test_a_seed_is_the_package_s_own(generator, stock):
    """Noise and image are those of the package's functions for that seed, bit for bit."""
    for seed, label in ((0, 0), (7, 2)):
        noise = truncated_noise_sample(1, generator.prior.dim, TRUNC, seed)
        latents = generator.prior.draw([seed], label)
        assert (latents.z.numpy() == noise).all()
        with torch.no_grad():
            expected = stock(torch.from_numpy(noise), torch.eye(CLASSES)[label][None], TRUNC)
        assert torch.equal(generator(latents), expected)


def test_spectra_agree_with_a_dense_svd_in_float64(bank, stock):
    """The Jacobian of the package's own model, column by column, in z alone: the class embedding is fixed."""
    wide = stock.double()
    try:
        for row in (0, 1, 5):
            z = torch.from_numpy(truncated_noise_sample(1, 16, TRUNC, int(bank.seeds[row]))).double()
            label = torch.eye(CLASSES, dtype=torch.float64)[bank.labels[row]][None]
            columns = [
                torch.func.jvp(lambda z, label=label: wide(z, label, TRUNC), (z,), (basis[None],))[1].flatten()
                for basis in torch.eye(16, dtype=torch.float64)
            ]
            expected = np.log(np.linalg.svd(torch.stack(columns, 1).detach().numpy(), compute_uv=False)[:6])
            assert np.abs(bank.log_singular_values[row] - expected).max() < 1e-3
    finally:
        stock.float()


@pytest.mark.parametrize("rho", [-0.5, 0.4])
def test_draws_follow_the_law_within_each_class_and_classes_stay(generator, bank, rho):
    """Chi-square of 6,000 draws against softmax(rho l) within the class, in eight groups of rows."""
    sampler = pp.latent_sampler(generator, bank, rho=rho, force=True)
    count = 2000
    labels = np.repeat(np.arange(CLASSES), [count, count, count])
    latents = sampler.sample(range(1000, 1000 + 3 * count), label=labels)
    assert np.array_equal(latents.label.numpy(), labels)
    known = generator.prior.draw(bank.seeds).z
    for label in range(CLASSES):
        rows = bank.rows_of(label)
        weights = np.exp(rho * bank.log_volume()[rows])
        weights /= weights.sum()
        drawn = latents.z[labels == label]
        index = torch.cdist(drawn, known[rows]).argmin(1).numpy()
        assert torch.equal(known[rows][index], drawn), "rows of the class, and of no other"
        groups = np.array_split(np.argsort(weights), 8)
        observed = [np.isin(index, group).sum() for group in groups]
        expected = [count * weights[group].sum() for group in groups]
        assert chisquare(observed, expected).pvalue > 1e-4


def test_truncation_is_part_of_the_prior_and_of_the_bank(folder, generator, bank):
    other = pp.load(f"biggan-deep:{folder}", "cpu", trunc=0.8)
    z = generator.prior.draw(range(50)).z
    assert z.abs().max() <= 2 * TRUNC
    assert torch.allclose(other.prior.draw(range(50)).z, 2 * z)
    with pytest.raises(BankError, match="is for the prior"):
        pp.latent_sampler(other, bank, rho=-0.1)
    for trunc in (0.0, 1.5, -1.0):
        with pytest.raises(UsageError, match=r"^trunc: got"):
            pp.load(f"biggan-deep:{folder}", "cpu", trunc=trunc)
    with pytest.raises(UsageError, match="no such setting"):
        pp.load(f"biggan-deep:{folder}", "cpu", temperature=0.5)


def test_from_the_command_line_by_name(imagenet, tmp_path, monkeypatch, capsys):
    """A bank of named classes, pictures of one of them: with a polarity each is the stock picture of a row."""

    monkeypatch.chdir(tmp_path)

    def run(*words, code=0):
        got, printed = main([str(word) for word in words]), capsys.readouterr()
        assert got == code, printed.err
        return printed

    model = f"biggan-deep:{imagenet}"
    build = ["bank", "build", model, "-n", 60, "-k", 4, "--trunc", TRUNC]
    run(*build, "--class", "golden_retriever,Espresso,3", "--out", "b.safetensors")
    bank = Bank.open(tmp_path / "b.safetensors")
    assert sorted(set(bank.labels.tolist())) == [3, 207, 967]
    generate = ["generate", model, "--class", "golden_retriever", "--seeds"]
    polarity = ["--polarity", -0.1, "--bank", "b.safetensors", "--force"]
    run(*generate, "0-15", "--trunc", TRUNC, *polarity, "--out", "drawn")
    became = json.loads((tmp_path / "drawn/samples.json").read_text())["drawn"]
    assert set(became.values()) <= set(bank.seeds[bank.rows_of(207)].tolist())
    run(*generate, ",".join(map(str, became.values())), "--trunc", TRUNC, "--out", "stock")
    for seed, row in became.items():
        drawn, stock = (
            np.asarray(Image.open(tmp_path / folder / f"seed{int(seed):04d}.png"), int)
            for folder, seed in (("drawn", seed), ("stock", row))
        )
        assert np.abs(drawn - stock).max() <= 1
    seeds = run("seeds", "b.safetensors", "--polarity=-0.1", "-n", 5, "--class", 207, "--force").out
    assert set(map(int, seeds.split(","))) <= set(bank.seeds[bank.rows_of(207)].tolist())
    for words, expected in (
        (["--class", "golden_retreiver", "--seeds", 0], "hint: use --class golden_retriever"),
        (["--class", "crane", "--seeds", 0], "'crane' are 134 and 517"),
        (["--class", 1000, "--seeds", 0], "expected 0 to 999"),
        (["--class", 3, "--seeds", 0, "--bank", "b.safetensors"], "--bank: given without --polarity"),
        (["--class", 4, "--seeds", 0, "--trunc", TRUNC, *polarity], "--class: got 4, the bank has"),
    ):
        assert expected in run("generate", model, "--out", "none", *words, code=2).err
        assert not (tmp_path / "none").exists()


def test_files_that_are_not_the_package_s_are_refused(folder, tmp_path):
    def load():
        pp.load(f"biggan-deep:{tmp_path}", "cpu")

    with pytest.raises(PolarPriorError, match=r"no file .*config\.json"):
        load()
    with pytest.raises(UsageError, match="expected biggan-deep:FOLDER"):
        pp.load("biggan-deep", "cpu")
    config, weights = tmp_path / "config.json", tmp_path / "pytorch_model.bin"
    config.write_bytes((folder / "config.json").read_bytes())
    weights.write_bytes(b"no weights")
    with pytest.raises(PolarPriorError, match="holds no generator: UnpicklingError"):
        load()
    torch.save({"embeddings.weight": torch.zeros(2, 2)}, weights)
    with pytest.raises(PolarPriorError, match="holds no generator: RuntimeError"):
        load()
    torch.save({}, weights)
    with pytest.raises(PolarPriorError, match=r"lacks .* of the model's tensors"):
        load()
    weights.write_bytes((folder / "pytorch_model.bin").read_bytes())
    for text in ("[1]", "{", '{"layers": 3}', '{"channel_width": 1000000000000}'):
        config.write_text(text)
        with pytest.raises(PolarPriorError, match="holds no generator"):
            load()


def test_it_has_no_discriminator_and_says_so(folder, generator):
    for ask in (pp.feature_map, pp.jacobian_fn):
        with pytest.raises(UsageError, match=r"space: got discriminator, and .* holds no discriminator"):
            ask(generator, "discriminator")


def test_folded_norms_change_no_image_and_no_spectrum(generator):
    """At truncations that have statistics of their own, and between them."""
    for trunc in (0.4, 0.43, 1.0):
        own = pp.load(generator.source, "cpu", trunc=trunc)
        latents = own.prior.draw(range(6), np.arange(6) % CLASSES)
        found = pp.jacobian_fn(own)(latents)
        assert (found.value - own(latents)).abs().max() < 1e-5
        plain = LinearMap.of(own.synthesize, latents.z, latents.label)
        ours, theirs = (top_singular_values(each, 6, estimator="exact").log_sigma for each in (found, plain))
        assert (ours - theirs).abs().max() < 1e-5


def test_a_tangent_takes_fewer_operations(generator):
    """The products of all norms are one: so few are left, where there were two a norm."""
    stock = stock_pass(generator)
    latents = generator.prior.draw([0], 0)
    draw = folded(stock, latents.z, latents.label)
    embedding = stock.embed(latents.label)
    counts = []
    for images in (draw, stock.draw):
        with torch.no_grad():
            nodes = make_fx(partial(images, embedding=embedding))(latents.z).graph.nodes
        counts.append(sum("mm" in str(node.target) for node in nodes))
    norms = len(stock.norms)
    assert norms == 16
    assert counts[1] - counts[0] == 2 * norms - 2


@pytest.mark.parametrize("trunc", [TRUNC, 1.0])
def test_its_shell_is_that_of_the_truncated_latents(folder, trunc):
    own = pp.load(f"biggan-deep:{folder}", "cpu", trunc=trunc)
    bank = pp.build_bank(own, 300, 4)
    sampler = pp.latent_sampler(own, bank, 0.01, support="shell", label=1, force=True)
    lengths = own.prior.draw(bank.seeds[bank.rows_of(1)]).z.double().norm(dim=1)
    stated = sampler.described()["laws"][0]["support"]
    assert [stated["low"], stated["high"]] == pytest.approx(np.quantile(lengths, [0.005, 0.995]).tolist())
    assert sampler.sample(range(50), 1).z.abs().max() <= 2 * trunc


SCRIPT = """
import sys
import numpy as np
import torch
from pytorch_pretrained_biggan import BigGAN, one_hot_from_int, truncated_noise_sample

model = BigGAN.from_pretrained(sys.argv[1]).eval()
latents = [truncated_noise_sample(batch_size=1, dim_z=16, truncation=0.4, seed=seed) for seed in range(12)]
z = torch.from_numpy(np.concatenate(latents))
labels = torch.eye(3)[torch.arange(12) % 3]
if "mixed" in sys.argv:
    labels = (labels + labels.flip(1)) / 2
with torch.no_grad():
    drawn = model(z, labels, 0.4)
    between = model((z[:6] + z[6:]) / 2, labels[:6], 0.4)
np.savez(sys.argv[2], drawn=drawn.numpy(), between=between.numpy())
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory, folder, generator):
    """(A user's script, its model, a bank of 60 rows), in a folder of their own."""
    work = tmp_path_factory.mktemp("script")
    (work / "mine.py").write_text(SCRIPT)
    pp.build_bank(generator, 60, 6, out=work / "bank.safetensors")
    return work


def run_script(work, folder, out, *words, code=0):
    command = [sys.executable, "-m", "polarprior.cli", "run", "mine.py", folder, f"{out}.npz", *words]
    done = subprocess.run(list(map(str, command)), cwd=work, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stderr if code else np.load(work / f"{out}.npz")


def test_a_users_own_script_draws_rows_of_the_bank(script, folder, generator, stock):
    """Each picture is the package's own of the row that the law names; interpolations keep the model's own prior."""
    bank = "--bank=bank.safetensors"
    plain = run_script(script, folder, "plain")
    zero = run_script(script, folder, "zero", "--polarity=0", bank)
    drawn = run_script(script, folder, "drawn", "--polarity=-0.8", bank, "--force")
    assert (plain["drawn"] == zero["drawn"]).all()
    assert (plain["between"] == drawn["between"]).all()
    sampler = pp.latent_sampler(generator, Bank.open(script / "bank.safetensors"), rho=-0.8, force=True)
    labels = torch.arange(12) % CLASSES
    noise = np.concatenate([truncated_noise_sample(1, 16, TRUNC, seed) for seed in range(12)])
    rows = sampler.redraw(torch.from_numpy(noise), labels)
    with torch.no_grad():
        expected = stock(rows.z, torch.eye(CLASSES)[labels], TRUNC).numpy()
    assert (drawn["drawn"] == expected).all()
    changed = (drawn["drawn"] != plain["drawn"]).any((1, 2, 3))
    assert 0 < changed.sum() < 12


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["mixed"], "error: --polarity: a class vector of the script mixes classes"),
        (["--joint"], "error: --joint: mine.py gives its latents classes that can't be replaced here"),
    ],
)
def test_a_users_own_script_is_refused_in_a_line(script, folder, words, reason):
    polarity = ["--polarity=-0.8", "--bank=bank.safetensors", "--force"]
    said = run_script(script, folder, "refused", *words, *polarity, code=2)
    assert reason in said
    assert said.count("error:") == said.count("hint:") == 1
    assert not (script / "refused.npz").exists()


def test_the_flag_takes_a_script_that_imports_the_package_and_has_no_polarity(script, tmp_path):
    assert flag_verdict(script / "mine.py") == "run"
    for text in (
        SCRIPT + "# polarity\n",
        SCRIPT.replace("from pytorch_pretrained_biggan", "from biggan"),
        "no python",
    ):
        (tmp_path / "other.py").write_text(text)
        assert flag_verdict(tmp_path / "other.py") == ""
