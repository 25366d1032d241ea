"""``polarprior train ground-metric``, and a metric of features at places."""

from __future__ import annotations

import numpy as np
import polarprior as pp
import pytest
import torch
from PIL import Image
from polarprior.testing import main
from polarprior_ground_metric.metric_file import MetricFile
from polarprior_ground_metric.of_images import learnt, with_copies

MODEL = """
import polarprior as pp
import torch
from torch import nn

def make():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(6, 3 * 8 * 8), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))
    return pp.wrap(layers, latent_dim=6)
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    (tmp_path / "of_ground_metric.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    return "torch:of_ground_metric:make"


def stripes(tmp_path, count=10):
    """Two classes: stripes that go down, and stripes that go across, in any colour."""
    stream = np.random.default_rng(0)
    for name in ("across", "down"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(count):
            colour, begins = stream.integers(60, 256, 3), int(stream.integers(0, 2))
            pixels = np.zeros((8, 8, 3), np.uint8)
            pixels[begins::2] = colour
            pixels = pixels if name == "across" else pixels.transpose(1, 0, 2)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{index}.png")
    return tmp_path / "images"


def words(model, out, *more):
    return [*f"train ground-metric {model} --space pixel --components 5 --out {out}".split(), *map(str, more)]


def test_classes_are_sub_folders(model, tmp_path, capsys):
    data = stripes(tmp_path)
    assert main(words(model, tmp_path / "a", "--data", data, "--images", 12)) == 0
    said = capsys.readouterr().out
    assert "accuracy of neighbours on what was held out" in said
    assert f"next: polarprior bank build {model} -n 2000 -k 5" in said
    found = MetricFile.open(tmp_path / "a")
    assert found.space == "pixel"
    assert found.metric.classes_.tolist() == ["across", "down"]
    stored, classes = found.metric.stored()
    assert classes.bincount().tolist() == [6, 6], "as many of each"
    assert stored.points.shape == (12, 1, 5), "pixels have no places"
    before = (tmp_path / "a.safetensors").read_bytes()
    assert main(words(model, tmp_path / "a", "--data", data, "--images", 12)) == 0
    assert (tmp_path / "a.safetensors").read_bytes() == before
    bank = pp.build_bank(pp.load(model), 4, 5, space=f"ground-metric:{tmp_path / 'a'}@down")
    assert np.isfinite(bank.log_singular_values).all()


@pytest.mark.parametrize("real", [False, True])
def test_images_without_classes_are_classes(model, tmp_path, capsys, real):
    """The model's own, or all in one folder."""
    more = ["--data", stripes(tmp_path) / "down"] if real else []
    assert main(words(model, tmp_path / "a", "--images", 24, "--copies", 3, *more)) == 0
    assert "R-precision on what was held out" in capsys.readouterr().out
    metric = MetricFile.open(tmp_path / "a").metric
    assert metric.new_classes
    assert metric.stored()[1].bincount().tolist() == [3] * 8


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--data", "none"], "images: got 'none', no such file or folder"),
        (["--components", "500", "--images", "24"], "components: got 500, expected 24 or less"),
        (["--images", "12"], "images: got 12 with 6 copies each, expected 24 or more\nhint: use --images 24"),
        (["--space", "ground-metric:a"], "space: got 'ground-metric:a'"),
        (["--space", "pixels"], "pixel"),
    ],
)
def test_errors_leave_nothing(model, tmp_path, capsys, more, said):
    assert main(words(model, tmp_path / "a", *more)) == 2
    told = capsys.readouterr().err.split("error: ")[-1]
    assert said in told
    assert "\nhint: " in told
    assert not (tmp_path / "a.safetensors").exists()


def test_too_few_images_for_classes(model, tmp_path, capsys):
    assert main(words(model, tmp_path / "a", "--data", stripes(tmp_path, 2), "--components", 2)) == 2
    assert "2 images of across, expected 3 or more of each class" in capsys.readouterr().err
    data = stripes(tmp_path / "others", 4)
    (data / "down").rename(tmp_path / "down")
    assert main(words(model, tmp_path / "a", "--data", data)) == 2
    assert "one class, across, expected two or more" in capsys.readouterr().err


def test_copies_are_of_their_image():
    images = torch.rand(4, 3, 12, 12, generator=torch.Generator().manual_seed(0)) * 2 - 1
    copies, numbers = with_copies(images, 3, torch.Generator().manual_seed(1))
    assert numbers.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert torch.equal(copies[::3], images)
    assert not torch.equal(copies[1], copies[2])
    assert float(copies.abs().max()) <= 1


def test_what_is_learnt_at_places_holds_for_their_mean():
    """A map of 3 x 3 places: signatures are clusters of these; the file takes pooled features."""
    stream = torch.Generator().manual_seed(0)
    mixing = torch.randn(6, 3, generator=stream)

    def places(images):
        return torch.einsum("dc,nchw->ndhw", mixing, torch.nn.functional.avg_pool2d(images, 4))

    phi = pp.FeatureMap("torch:places:make", lambda images: places(images).mean((2, 3)), places)
    images = torch.rand(24, 3, 12, 12, generator=stream) * 2 - 1
    images[::2, 0] += 1
    labels = np.arange(24) % 2
    found = learnt(phi, images.clamp(-1, 1), labels, new_classes=False, components=3, clusters=4)
    stored, _ = found.metric.stored()
    assert stored.points.shape == (24, 4, 3)
    means = stored.means() * found.metric.scale_
    torch.testing.assert_close(means, phi(images.clamp(-1, 1)) @ found.reduction.T, rtol=1e-4, atol=1e-4)
