"""The plugin `stylegan2` on networks that the stock classes of StyleGAN2-ADA write."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import polarprior as pp
import pytest
import torch
from polarprior.plugin import PolarPriorError, RunsCodeWarning, UsageError, path_lengths, sha256_of
from polarprior.testing import THREE_HOOKS, GeneratorPluginTests
from polarprior_stylegan2.operators import unfused_operators
from polarprior_stylegan2.repos import STYLEGAN2_ADA
from polarprior_stylegan2.seam import Redraw, check_video_writer
from polarprior_stylegan2.testing import StyleGeneratorTests


@pytest.fixture(scope="module", params=[(), ("--classes", "3")], ids=["unconditional", "classes"])
def generator(request, small_pickle):
    return pp.load(f"stylegan2:{small_pickle('stylegan2', *request.param)}", "cpu", trunc=0.7)


class TestConformance(GeneratorPluginTests):
    spaces = ("pixel", "discriminator")
    own_spaces = ("discriminator",)
    own_hooks = THREE_HOOKS

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def checkpoint(cls, small_pickle):
        cls.model = f"stylegan2:{small_pickle('stylegan2')}"


class TestJacobians(StyleGeneratorTests):
    noise = True


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("noise", [None, 0.3 * torch.ones(1, 1)])
def test_the_unfused_convolution_is_the_stock_one(generator, demodulate, up, noise):
    layer = generator.network.synthesis.b8.conv1
    names = type(layer).forward.__globals__
    stock = names["modulated_conv2d"]
    stream = torch.Generator().manual_seed(0)
    x, weight, styles = (torch.randn(shape, generator=stream) for shape in ((2, 5, 6, 6), (4, 5, 3, 3), (2, 5)))
    given = {"x": x, "weight": weight, "styles": styles, "noise": noise, "demodulate": demodulate}
    given |= {"up": up, "padding": 1, "resample_filter": layer.resample_filter, "flip_weight": up == 1}
    expected = stock(**given, fused_modconv=True)
    with unfused_operators(generator.network):
        torch.testing.assert_close(names["modulated_conv2d"](**given), expected, rtol=1e-5, atol=1e-5)
    assert names["modulated_conv2d"] is stock


class AllOfClassTwo:
    """A sampler of a joint law, as `StockSampler` gives one to the seam: it doubles z, and every class becomes 2."""

    def redraw_both(self, z, label=None):
        return pp.Latents(2 * z, None if label is None else torch.full_like(label, 2))


@pytest.mark.parametrize("by_name", [False, True])
def test_the_seam_replaces_the_class_that_a_joint_law_draws(generator, by_name):
    """By position and by name, with all that the script gives besides; the image is that of the new class."""
    network = copy.deepcopy(generator.network)
    z, stock = torch.randn(3, network.z_dim, generator=torch.Generator().manual_seed(0)), network.mapping
    c = torch.zeros(3, network.c_dim)
    c[:, 1:2] = 1
    new = torch.zeros(3, network.c_dim)
    new[:, 2:3] = 1
    expected = stock(2 * z, new, truncation_psi=0.5)
    network.mapping.register_forward_pre_hook(Redraw(AllOfClassTwo(), network.c_dim), with_kwargs=True)
    given = {"z": z, "c": c, "truncation_psi": 0.5} if by_name else {"truncation_psi": 0.5}
    found = network.mapping(**given) if by_name else network.mapping(z, c, **given)
    assert torch.equal(found, expected)


def test_what_a_video_is_written_with_is_looked_for_before_it_is_drawn(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    check_video_writer("gen_images.py")
    with pytest.raises(PolarPriorError, match=r"gen_video\.py writes with imageio-ffmpeg.*not installed") as error:
        check_video_writer("gen_video.py")
    assert error.value.hint == "type: pip install imageio imageio-ffmpeg"


def test_a_pickle_without_a_discriminator_says_so(small_pickle, tmp_path):
    """In one line, wherever the space is asked for; what needs none goes on."""
    pp.load(f"stylegan2:{small_pickle('stylegan2')}", "cpu")
    import legacy  # of the checkout

    with open(small_pickle("stylegan2"), "rb") as file:
        content = legacy.load_network_pkl(file)
    path = tmp_path / "alone.pkl"
    path.write_bytes(pickle.dumps({**content, "D": torch.nn.Linear(1, 1)}))  # the stock loader wants a module
    generator = pp.load(f"stylegan2:{path}", "cpu")
    assert generator.discriminator is None
    assert generator.spaces == ("style",)
    for ask in (pp.feature_map, pp.jacobian_fn):
        with pytest.raises(UsageError, match=r"alone\.pkl holds no discriminator") as refused:
            ask(generator, "discriminator")
        assert refused.value.hint == "use space=pixel, or a checkpoint that holds one"
    with pytest.raises(UsageError, match="needs a discriminator, stylegan2 brings none"):
        pp.latent_sampler(generator, sampler="rivals:drs")


def test_a_pickle_of_tensorflow_is_converted_by_the_stock_loader(small_pickle, tmp_path, run_python, vendor):
    """The paper's networks are such: the images are those of the PyTorch network, to rounding, and so are volumes."""
    checkout = next(folder for folder in sorted(vendor.iterdir()) if STYLEGAN2_ADA.is_at(folder))
    small, path = small_pickle("stylegan2"), tmp_path / "tf.pkl"
    run_python(Path(__file__).with_name("tf_pickle.py"), checkout.resolve(), small, path, cwd=tmp_path)
    assert b"dnnlib.tflib.network" in path.read_bytes()
    original, converted = (pp.load(f"stylegan2:{each}", "cpu", trunc=0.7) for each in (small, path))
    latents = original.prior.draw(range(3))
    torch.testing.assert_close(converted(latents), original(latents), rtol=0, atol=1e-4)
    spectra = [pp.top_singular_values(pp.jacobian_fn(each)(latents), 6) for each in (original, converted)]
    torch.testing.assert_close(spectra[1].log_sigma, spectra[0].log_sigma, rtol=0, atol=1e-4)
    features = [pp.feature_map(each, "discriminator")(original(latents)) for each in (original, converted)]
    torch.testing.assert_close(features[1], features[0], rtol=1e-3, atol=1e-4)
    bank = tmp_path / "bank.safetensors"
    pp.build_bank(converted, 100, 6, out=bank)
    for words in ([], ["--polarity=-0.3", f"--bank={bank}", "--force"]):
        out = tmp_path / f"out{len(words)}"
        words += [f"--network={path}", "--seeds=0-3", "--trunc=0.7", f"--outdir={out}"]
        run_python("-m", "polarprior.cli", "run", "generate.py", *words, cwd=checkout)
        assert len(list(out.glob("*.png"))) == 4


def test_the_weights_pickle_is_warned_of_and_can_be_pinned(small_pickle, recwarn):
    path = small_pickle("stylegan2")
    with pytest.warns(RunsCodeWarning, match=f"runs the code it holds .*{sha256_of(path)}"):
        pp.load(f"stylegan2:{path}", "cpu")
    recwarn.clear()
    pp.load(f"stylegan2:{path}", "cpu", sha256=sha256_of(path).upper())
    assert not [each for each in recwarn if each.category is RunsCodeWarning]
    with pytest.raises(PolarPriorError, match="it was not opened"):
        pp.load(f"stylegan2:{path}", "cpu", sha256="0" * 64)
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        pp.load(f"stylegan2:{path}", "cpu", sha256="short")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EOFError"),
        (b"not a pickle", "UnpicklingError"),
        (b"\x80\x04}.", "KeyError"),
        (b"\x80\x04K\x01.", "Error"),
    ],
)
def test_what_is_no_network_pickle_is_refused(vendor, tmp_path, content, reason):
    (tmp_path / "bad.pkl").write_bytes(content)
    with pytest.raises(PolarPriorError, match=f"no network pickle.*{reason}"):
        pp.load(f"stylegan2:{tmp_path}/bad.pkl", "cpu")


def test_what_is_not_there_is_refused(vendor, tmp_path):
    with pytest.raises(PolarPriorError, match="no file"):
        pp.load(f"stylegan2:{tmp_path}/none.pkl", "cpu")
    with pytest.raises(UsageError, match="expected stylegan2:FILE"):
        pp.load("stylegan2", "cpu")


def test_without_a_checkout_it_says_what_to_clone(small_pickle, tmp_path):
    words = [
        sys.executable,
        "-m",
        "polarprior.cli",
        "score",
        f"stylegan2:{small_pickle('stylegan2')}",
        "--seeds",
        "0",
    ]
    environ = {name: value for name, value in os.environ.items() if name != "POLARPRIOR_VENDOR"}
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert "git clone https://github.com/NVlabs/stylegan2-ada-pytorch" in done.stderr


def test_paths_between_styles_are_the_stock_ppl2_w(small_pickle, monkeypatch):
    """`ppl2_wfull` of the same ends, t and noise, in a space that a small network gives in place of VGG."""
    generator = pp.load(f"stylegan2:{small_pickle('stylegan2')}", "cpu")
    stock = pytest.importorskip("metrics.perceptual_path_length", reason="the checkout has no metrics")
    network, n, step = generator.network, 6, 1e-2

    class Lpips(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(network.img_channels * network.img_resolution**2, 7)

        def forward(self, images, resize_images=False, return_lpips=True):
            return self.layer((images / 255).flatten(1))

    lpips = Lpips().requires_grad_(False)
    sampler = stock.PPLSampler(network, {}, step, "w", "full", False, lpips)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        expected = sampler(torch.zeros(n, 0))
        torch.manual_seed(0)
        t, z = torch.rand([n]), torch.randn([2 * n, network.z_dim])
    network.load_state_dict(sampler.G.state_dict())  # with the noise that it has drawn
    monkeypatch.setattr(torch, "rand", lambda *shape, **options: t.double() / (1 - step))
    phi = pp.FeatureMap("lpips", lambda images: lpips((images + 1) * 127.5))
    ends = pp.Latents(z[:n]), pp.Latents(z[n:])
    found = path_lengths(generator, phi, ends, torch.Generator(), step, styles=True)
    torch.testing.assert_close(found, expected.double(), rtol=1e-3, atol=0)
