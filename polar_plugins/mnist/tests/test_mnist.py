"""The small models of digits: the conformance suite, and that they are trained."""

from __future__ import annotations

import json
import sys

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import PolarPriorError, UsageError
from polarprior.testing import GeneratorPluginTests, main
from polarprior_mnist import ONE_STEP
from polarprior_mnist.onestep import FOLDER
from polarprior_mnist.zoo import MODELS


class TestWGAN(GeneratorPluginTests):
    model = "mnist:wgan"
    spaces = ("pixel", "classifier", "encoder")


class TestStyle(GeneratorPluginTests):
    model = "mnist:style"
    spaces = ("pixel",)  # a style is no function of an image


class TestProgressive(GeneratorPluginTests):
    model = "mnist:progressive"


class TestClasses(GeneratorPluginTests):
    model = "mnist:classes"


class TestVAE(GeneratorPluginTests):
    model = "mnist:vae"


class TestColoured(GeneratorPluginTests):
    model = "mnist:coloured"


@pytest.mark.parametrize("name", [*MODELS, ONE_STEP])
def test_it_draws_digits(name):
    """A classifier that no generator was trained with sees all ten, and is as sure as it never is of noise (0.26; of
    test digits 0.93)."""
    generator = pp.load(f"mnist:{name}", "cpu")
    latents = generator.prior.draw(range(500), 3 if generator.num_classes else None)
    seen = pp.feature_map(generator, "mnist:classifier-logits")(generator(latents)).softmax(1)
    assert seen.max(1).values.mean() > 0.5
    if generator.num_classes:
        assert (seen.argmax(1) == 3).double().mean() > (0.9 if name == "classes" else 0.8)
    else:
        assert seen.argmax(1).bincount(minlength=10).min() > 10


def test_truncation_moves_styles_to_their_mean():
    images = {psi: pp.load("mnist:style", "cpu", trunc=psi) for psi in (0.0, 0.5, 1.0)}
    spread = {psi: float(each(each.prior.draw(range(50))).std(0).mean()) for psi, each in images.items()}
    assert spread[0.0] == pytest.approx(0, abs=1e-6)
    assert spread[0.5] < spread[1.0]
    assert (pp.load("mnist:classes", "cpu", trunc=0.5).prior.draw(range(50)).z.abs() <= 0.5).all()


def test_temperature_scales_the_noise():
    cold, warm = (pp.load("mnist:coloured", "cpu", temperature=each) for each in (0.5, 1.0))
    z = warm.prior.draw(range(3)).z
    torch.testing.assert_close(cold(pp.Latents(z)), warm(pp.Latents(z / 2)))


def test_style_volumes_compose():
    """From z through w: the Jacobian of the images is that of the synthesis times that of the mapping."""
    generator = pp.load("mnist:style", "cpu", trunc=0.7)
    latents = generator.prior.draw(range(2))
    eye = torch.eye(32).expand(2, -1, -1)
    dense = {
        key: pp.jacobian_fn(generator, *key)(latents).jvp(eye)
        for key in (("pixel", "z"), ("style", "z"), ("pixel", "w"))
    }
    torch.testing.assert_close(dense["pixel", "w"] @ dense["style", "z"], dense["pixel", "z"], rtol=1e-3, atol=1e-4)


def test_modes_of_each_class(tmp_path, capsys):
    """A row a class, named; as many seeds of each, of its own rows."""
    generator = pp.load("mnist:classes", "cpu")
    bank = pp.build_bank(generator, 40, 4, classes=[1, 7], out=tmp_path / "bank.safetensors")
    out = tmp_path / "modes"
    words = ["modes", "mnist:classes", "--bank", str(tmp_path / "bank.safetensors"), "--per-class", "-n", "3"]
    assert main([*words, "--anti", "--out", str(out)]) == 0
    groups = json.loads((out / "modes.json").read_text())["groups"]
    assert [group["title"].partition(":")[0] for group in groups] == [
        "anti-modes, class one",
        "anti-modes, class seven",
    ]
    for group, label in zip(groups, (1, 7), strict=True):
        rows = bank.rows_of(label)
        highest = rows[np.argsort(bank.log_volume()[rows])[::-1][:3]]
        assert group["seeds"] == bank.seeds[highest].tolist()
    assert "further out than any law inside the limits draws" in capsys.readouterr().out


def test_what_it_has_not_is_refused():
    with pytest.raises(UsageError, match="got mnist:gan, expected one of wgan") as told:
        pp.load("mnist:gan")
    assert told.value.hint == "use mnist:wgan"
    with pytest.raises(UsageError, match="trunc: mnist:wgan has no such setting"):
        pp.load("mnist:wgan", trunc=0.5)


def test_the_model_of_one_step_is_a_pipeline_that_diffusers_opens():
    """Its pictures are to the bit those of the pipeline with a generator a picture."""
    from polarprior_diffusers.importing import import_diffusers

    generator = pp.load(f"mnist:{ONE_STEP}", "cpu")
    assert (generator.num_classes, generator.evaluations, generator.prior.shape) == (10, 1, (3, 28, 28))
    pipe = import_diffusers().DiffusionPipeline.from_pretrained(FOLDER)
    pipe.set_progress_bar_config(disable=True)
    streams = [torch.Generator().manual_seed(seed) for seed in (4, 2)]
    stock = pipe(batch_size=2, class_labels=[7, 1], generator=streams, output_type="pt").images
    assert torch.equal((generator(generator.prior.draw([4, 2], [7, 1])) * 0.5 + 0.5).clamp(0, 1), stock)


def test_the_jacobian_of_the_model_of_one_step():
    generator = pp.load(f"mnist:{ONE_STEP}", "cpu")
    latents = generator.prior.draw([1], [3])
    z, label = latents.z, latents.label
    tangent = torch.randn(1, generator.prior.dim, 1, generator=torch.Generator().manual_seed(0))
    step = 1e-2 * tangent.reshape(z.shape)
    expected = (generator(pp.Latents(z + step, label)) - generator(pp.Latents(z - step, label))).flatten() / 2e-2
    found = pp.jacobian_fn(generator)(latents).jvp(tangent).flatten()
    assert (found - expected).norm() < 2e-3 * expected.norm()


def test_the_model_of_one_step_needs_the_plugin_for_pipelines(monkeypatch):
    monkeypatch.setitem(sys.modules, "polarprior_diffusers", None)
    with pytest.raises(PolarPriorError, match="no plugin is installed") as raised:
        pp.load(f"mnist:{ONE_STEP}", "cpu")
    assert raised.value.hint == "install it: pip install 'polarprior-mnist[onestep]'"
