"""`polarprior measure`: a model as it is against real images, without a bank."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from PIL import Image
from polarprior.errors import PolarPriorError, UsageError
from polarprior.metrics.inception_score import inception_score, inception_scores
from polarprior.testing import main
from torch import nn

SIDE, DIM = 4, 6
MODEL = """
import polarprior as pp
import torch
from torch import nn

def make():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    return pp.wrap(layers, latent_dim=6)
"""


@pytest.fixture
def images(tmp_path):
    """Thirty-two grey pictures of noise."""
    stream = np.random.default_rng(0)
    for index in range(32):
        pixels = stream.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{index:02}.png")
    return tmp_path / "images"


@pytest.fixture
def model(tmp_path, monkeypatch):
    (tmp_path / "of_measure.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    return "torch:of_measure:make"


def linear_generator():
    """A generator that writes its latents to the first pixels of a picture, and an encoder that looks there."""
    layers = nn.Sequential(nn.ZeroPad1d((0, SIDE * SIDE - DIM)), nn.Tanh(), nn.Unflatten(1, (1, SIDE, SIDE)))
    generator = pp.wrap(layers, latent_dim=DIM)
    return replace(generator, encode=lambda x: x.flatten(1)[:, :DIM].clamp(-0.999, 0.999).atanh())


def test_figures_are_those_of_the_draws_of_the_first_seeds(images):
    generator = linear_generator()
    comparison = pp.Comparison(images, metrics=("fid",), metric_space=("pixel",), samples=30, sets=2)
    (found,) = pp.measure(generator, comparison).values()
    real = pp.open_reference(images).pixels(list(range(32)), 1, (SIDE, SIDE)).reshape(32, -1) / 127.5 - 1
    distances = []
    for first in (0, 30):
        drawn = generator(generator.prior.draw(range(first, first + 30))).flatten(1)
        drawn = ((drawn + 1) * 127.5).round() / 127.5 - 1
        means = real.mean(0) - drawn.mean(0).numpy()
        both = [torch.from_numpy(np.cov(np.asarray(each), rowvar=False)) for each in (real, drawn)]
        root = torch.linalg.eigvals(both[0] @ both[1]).real.clamp(min=0).sqrt().sum()
        distances.append(float(means @ means + both[0].trace() + both[1].trace() - 2 * root))
    assert found["fid"].value == pytest.approx(np.mean(distances), rel=1e-3)
    assert found["fid"].deviation == pytest.approx(np.std(distances, ddof=1), rel=0.1)


def test_reconstructions_are_compared_with_their_images(images):
    comparison = pp.Comparison(images, metrics=("fid",), metric_space=("pixel",), samples=30, sets=1)
    found = pp.measure(linear_generator(), comparison)["pixel"]
    real = pp.open_reference(images).pixels(list(range(32)), 1, (SIDE, SIDE)).reshape(32, -1).astype(float)
    again = np.full_like(real, 128)
    again[:, :DIM] = real[:, :DIM]
    assert found["rmse"].value == pytest.approx(np.sqrt(((real - again) ** 2).mean()), abs=0.1)
    assert found["fid"].deviation is None
    assert "rid" not in found, "pixels have no classes"
    assert "rmse" not in pp.measure(replace(linear_generator(), encode=None), comparison)["pixel"]


def test_the_command_prints_a_table_or_json(images, model, capsys):
    words = ["measure", model, str(images), "--metric-space", "pixel", "--metrics", "fid,pr", "--samples", "30"]
    assert main(words) == 0
    assert capsys.readouterr().out.split()[:4] == ["space", "metric", "value", "deviation"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["pixel"]
    assert sorted(found) == ["fid", "precision", "recall"]
    assert found["fid"]["deviation"] > 0
    assert main(["measure", model, str(images / "none")]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert main([*words[:3], "--metrics", "fdi"]) == 2
    assert "hint: use fid" in capsys.readouterr().err


def test_an_encoder_that_fails_is_named(images):
    generator = replace(linear_generator(), encode=lambda x: x.flatten(1)[:, :DIM] * torch.nan)
    with pytest.raises(PolarPriorError, match="the encoder of torch makes latents that are not finite"):
        pp.measure(generator, pp.Comparison(images, metric_space=("pixel",), samples=30))
    with pytest.raises(UsageError, match=r"^comparison: "):
        pp.measure(generator, str(images))


def test_inception_scores_are_those_of_the_splits():
    logits = torch.randn(45, 5, generator=torch.Generator().manual_seed(0))
    found = inception_scores(logits, 4)
    assert found == [inception_score(part) for part in (logits[:12], logits[12:23], logits[23:34], logits[34:])]
