"""Training that goes on to the same weights, model files, the command, and real images that are ranked."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import polarprior as pp
import pytest
import torch
from PIL import Image
from polarprior.plugin import PolarPriorError
from polarprior.testing import GeneratorPluginTests, main
from polarprior_pagan import classifier
from polarprior_pagan.data import open_images
from polarprior_pagan.generator import SHIPPED
from polarprior_pagan.model_file import FORMAT, Model, model_of
from polarprior_pagan.recipe import Recipe
from polarprior_pagan.training import Training
from polarprior_training.augmentations import AUGMENTATIONS
from polarprior_training.described_file import KEY
from safetensors.torch import load_file, save_file

SMALL = Recipe(size=16, latent_dim=4, width=8, judge_width=8, batch=4, iterations=6)


@pytest.fixture(scope="module")
def model_path(tmp_path_factory, bars):
    """A file of a training that has hardly begun."""
    pixels, labels = bars()
    training = Training(pixels, SMALL, AUGMENTATIONS["shift"])
    training.advance()
    path = tmp_path_factory.mktemp("model") / "bars.safetensors"
    network = classifier.trained(classifier.Images(pixels, labels), steps=60)
    model_of(training, network, {"fid": 1.0}).save(path)
    return path


class TestPlugin(GeneratorPluginTests):
    """The conformance suite, on the model that is shipped."""

    model = "pagan"


def run(training, until):
    while training.done < until:
        training.advance()
    return training


VARIANTS = {
    "pagan": {},
    "l1": {"reconstruction": "l1"},
    "wasserstein": {"matching": "wasserstein", "pairs": "channel", "judge_steps": 3},
    "siamese": {"pairs": "siamese", "deep": True, "matching": "jensen-shannon"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_training_that_was_interrupted_ends_at_the_same_weights(name, bars):
    pixels, _ = bars()
    recipe = Recipe(**{**SMALL.__dict__, **VARIANTS[name]})
    whole = run(Training(pixels, recipe, AUGMENTATIONS["shift"]), 6)
    first = run(Training(pixels, recipe, AUGMENTATIONS["shift"]), 3)
    later = Training(pixels, recipe, AUGMENTATIONS["shift"])
    later.restore(first.state())
    run(first, 4)  # what was taken is a copy
    assert later.done == 3
    run(later, 6)
    assert whole.state().keys() == later.state().keys()
    for key, mine in whole.state().items():
        assert torch.equal(mine, later.state()[key]), key


def test_nothing_global_is_seeded(bars):
    pixels, _ = bars()
    before = torch.random.get_rng_state()
    first = run(Training(pixels, SMALL, AUGMENTATIONS["shift"]), 2)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(7)
    again = run(Training(pixels, SMALL, AUGMENTATIONS["shift"]), 2)
    assert first.loss == again.loss
    other = run(Training(pixels, Recipe(**{**SMALL.__dict__, "seed": 1}), AUGMENTATIONS["shift"]), 2)
    assert first.loss != other.loss


def test_spectral_norms_are_the_gain(bars):
    """After some steps of their power iteration, the largest singular value of each layer's weight."""
    pixels, _ = bars()
    training = run(Training(pixels, SMALL, AUGMENTATIONS["shift"]), 6)
    for judge in (training.networks.of_images, training.networks.of_latents, training.networks.of_pairs):
        for layer in judge.modules():
            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
                largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
                assert float(largest) == pytest.approx(2, rel=0.1)


def test_a_batch_moves_generator_encoder_and_discriminators(bars):
    pixels, _ = bars()
    training = Training(pixels, SMALL, AUGMENTATIONS["shift"])
    before = {name: each.clone() for name, each in training.networks.named_parameters()}
    training.advance()
    still = [n for n, each in training.networks.named_parameters() if torch.equal(each, before[n])]
    assert still == []
    kept = training.averaged["generator"].state_dict()["layers.0.weight"]
    assert not torch.equal(kept, before["generator.layers.0.weight"]), "the average moves"


def test_patience_ends_a_training_and_keeps_the_best(bars):
    pixels, _ = bars()
    training = Training(pixels, Recipe(**{**SMALL.__dict__, "patience": 2}), AUGMENTATIONS["shift"])
    training.advance()
    training.judged(3.0)
    best = {name: each.clone() for name, each in training.averaged["generator"].state_dict().items()}
    training.advance()
    training.judged(5.0)
    assert not training.finished
    training.advance()
    assert training.finished
    kept = model_of(training, None, {}).generator.state_dict()
    assert all(torch.equal(kept[name], best[name]) for name in best)


def test_the_file_gives_back_what_was_saved(model_path):
    model = Model.open(model_path)
    assert model.recipe == SMALL
    assert model.metrics == {"fid": 1.0}
    generator = pp.load(f"pagan:{model_path}", "cpu")
    latents = generator.prior.draw(range(3))
    torch.testing.assert_close(generator(latents), model.generator(latents.z))
    images = generator(latents)
    assert generator.encode(images).shape == (3, 4)
    assert generator.discriminator(images, None).shape == (3,)


HARM = {
    "format": lambda about, tensors: about.update(format="polarprior-pagan/9"),
    "size": lambda about, tensors: about["recipe"].update(size=48),
    "width": lambda about, tensors: about["recipe"].update(width=16),
    "latents": lambda about, tensors: about["recipe"].update(latent_dim=10**12),
    "key": lambda about, tensors: about["recipe"].update(depth=3),
    "no latents": lambda about, tensors: about["recipe"].update(latent_dim=0),
    "classes": lambda about, tensors: about.update(classes=7),
    "no classes": lambda about, tensors: about.update(classes=0),
    "whole numbers": lambda about, tensors: tensors.update(
        {name: each.long() for name, each in tensors.items() if name.startswith("encoder.")}
    ),
    "missing": lambda about, tensors: tensors.pop("encoder.layers.2.weight"),
    "nan": lambda about, tensors: tensors["generator.layers.0.weight"].fill_(torch.nan),
}


@pytest.mark.parametrize("name", HARM)
def test_files_that_are_no_model_are_refused(name, model_path, tmp_path):
    from safetensors import safe_open

    tensors = load_file(model_path)
    with safe_open(model_path, "torch") as opened:
        about = json.loads(opened.metadata()[KEY])
    HARM[name](about, tensors)
    save_file(tensors, tmp_path / "harmed.safetensors", {KEY: json.dumps(about)})
    with pytest.raises(PolarPriorError, match=r"^model: .*harmed\.safetensors holds no PAGAN"):
        pp.load(f"pagan:{tmp_path / 'harmed.safetensors'}", "cpu")


@pytest.mark.parametrize("name", [".", "/", "x" * 300])
def test_names_that_no_file_can_have_are_refused(name):
    with pytest.raises(PolarPriorError, match=r"^model: no file "):
        pp.load(f"pagan:{name}", "cpu")


def words(idx, out, *more):
    small = {"size": 16, "latent-dim": 4, "width": 8, "judge-width": 8, "batch": 4, "iterations": 3, **dict(more)}
    return ["train", "pagan", "--data", str(idx), "--out", str(out)] + [
        word for name, value in small.items() for word in (f"--{name}", str(value))
    ]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(classifier.trained, "__defaults__", (0, 40, *classifier.trained.__defaults__[2:]))


def test_the_command_trains_and_leaves_one_model(idx, tmp_path, capsys, quick):
    (tmp_path / "bars.jsonl").write_text("{}\n")
    assert main(words(idx, tmp_path / "bars")) == 0
    told = capsys.readouterr()
    assert "of the held-out images" in told.err
    assert "next: polarprior bank build pagan:" in told.out
    assert [each.name for each in sorted(tmp_path.iterdir())] == ["bars.safetensors"], "also not the old journal"
    metrics = Model.open(tmp_path / "bars").metrics
    assert {"fid", "is", "rid", "agreement", "rmse", "floor_rid", "floor_agreement"} <= metrics.keys()
    first = (tmp_path / "bars.safetensors").read_bytes()
    assert main(words(idx, tmp_path / "again")) == 0
    assert (tmp_path / "again.safetensors").read_bytes() == first


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"matching": "kl"}, {"gain": 1.0}),
        ({"matching": "kl", "gain": 2}, {"gain": 2.0}),
        ({"matching": "pearson"}, {"gain": Recipe.gain}),
        ({"matching": "wasserstein"}, {"pairs": "channel", "judge_steps": 10}),
        ({"matching": "wasserstein", "judge-steps": 5}, {"pairs": "channel", "judge_steps": 5}),
    ],
)
def test_a_matching_has_its_own_defaults(more, expected, idx, tmp_path, quick):
    assert main(words(idx, tmp_path / "bars", *more.items())) == 0
    recipe = vars(Model.open(tmp_path / "bars").recipe)
    assert {name: recipe[name] for name in expected} == expected


@pytest.mark.parametrize(
    "bad",
    [
        {"size": "48"},
        {"pairs": "diagonal"},
        {"augment": "crop"},
        {"matching": "hinge"},
        {"width": "6"},
        {"reconstruction": "l2"},
        {"patience": "300"},
    ],
)
def test_the_command_refuses(bad, idx, tmp_path, capsys):
    assert main(words(idx, tmp_path / "bars", *bad.items())) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: --")
    assert "hint: " in told
    assert list(tmp_path.iterdir()) == []


def test_killed_and_typed_again_it_ends_at_the_same_bytes(tmp_path, bars, write_idx):
    write_idx(tmp_path / "bars-images-idx3-ubyte", bars()[0][..., 0])  # without labels: no classifier
    more = {"iterations": 150, "seed": 3}.items()
    often = "import polarprior_pagan.command as command; command.EVERY = 20; import polarprior.cli.__main__"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def start(out):
        command = [sys.executable, "-c", often, *words(tmp_path / "bars-images-idx3-ubyte", out, *more)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    assert start(tmp_path / "whole").wait() == 0
    killed = start(tmp_path / "killed")
    deadline = time.monotonic() + 240
    while not (tmp_path / "killed.training").exists():
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed.safetensors").exists()
    assert start(tmp_path / "killed").wait() == 0
    assert (tmp_path / "killed.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert (tmp_path / "whole.png").exists(), "a sheet on the way"
    assert not (tmp_path / "killed.training").exists()


def test_real_images_are_ranked(model_path, idx, tmp_path, capsys, bars):
    """By the log-volume of their latents; the first line by hand."""
    sheet = tmp_path / "extremes.png"
    assert main(["score", f"pagan:{model_path}", str(idx), "--most", "40", "-k", "3", "--sheet", str(sheet)]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert len(rows) == 40
    assert list(rows[0]) == ["image", "log_volume", "quantile", "rmse", "agrees"]
    generator = pp.load(f"pagan:{model_path}", "cpu")
    x = torch.from_numpy(bars()[0][:1].astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    z = generator.encode(x)
    jacobian = torch.autograd.functional.jacobian(lambda at: generator.synthesize(at, None).flatten(), z)
    by_hand = torch.linalg.svdvals(jacobian.reshape(-1, 4).double()).log()[:3].sum()
    assert float(rows[0]["log_volume"]) == pytest.approx(float(by_hand), abs=1e-3)
    error = (generator.synthesize(z, None) - x).mul(127.5).square().mean().sqrt()
    assert float(rows[0]["rmse"]) == pytest.approx(float(error), abs=1)
    assert rows[0]["agrees"] in ("0", "1")
    assert Image.open(sheet).size[0] > 500


def test_a_model_without_an_encoder_ranks_no_images(idx, capsys):
    assert main(["score", "dcgan-faces", str(idx)]) == 2
    assert "has no encoder" in capsys.readouterr().err
    assert main(["score", "dcgan-faces"]) == 2
    assert main(["score", "dcgan-faces", str(idx), "--seeds", "0"]) == 2


def test_the_shipped_digits_come_back():
    """What its own encoder places is made again: digits of its prior keep their class, as its classifier sees it."""
    assert Model.open(SHIPPED).metrics["agreement"] > 0.85, "on images held out of the training set"
    generator = pp.load("pagan", "cpu")
    images = generator(generator.prior.draw(range(200)))
    again = generator(pp.Latents(generator.encode(images)))
    classify = pp.FeatureMap("classes", generator.network["classifier"])
    assert float((classify(images).argmax(1) == classify(again).argmax(1)).double().mean()) > 0.5
    assert float((classify(images).argmax(1) == classify(again.flip(0)).argmax(1)).double().mean()) < 0.3


def test_files_of_before_there_were_two_makers_open(model_path, tmp_path):
    from polarprior_training.described_file import open_described, save_described

    about, tensors = open_described(model_path, FORMAT, "", "")
    recipe = {name: value for name, value in about["recipe"].items() if name != "maker"}
    for matching, now in (
        ("gan", ("gan", "non-saturating")),
        ("saturating", ("gan", "minimax")),
        ("kl", ("kl", "minimax")),
    ):
        path = tmp_path / f"{matching}.safetensors"
        save_described(path, FORMAT, {**about, "recipe": {**recipe, "matching": matching}}, tensors)
        found = Model.open(path).recipe
        assert (found.matching, found.maker) == now


def test_measure_agrees_with_what_training_printed(model_path, idx, capsys):
    """RID and agreement of the images that it is given; those of training are of others, and not rounded."""
    from polarprior_pagan.looking import Judge, Looks

    model, images = Model.open(model_path), open_images(idx, 16)
    looks = Looks(images, Judge(model.classifier.features, model.classifier), AUGMENTATIONS["none"], SMALL.latent_dim)
    expected = looks(model.generator, model.encoder)
    words = ["measure", f"pagan:{model_path}", str(idx), "--metric-space", "classifier", "--metrics", "fid,is"]
    assert main([*words, "--samples", "50", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["classifier"]
    for name in ("rid", "agreement", "rmse"):
        assert found[name]["value"] == pytest.approx(expected[name], rel=0.02)
    assert found["rid"]["deviation"] == pytest.approx(expected["rid_deviation"], rel=0.1)
    assert 1 <= found["inception score"]["value"] <= 2
