"""The directions in which pictures change most: against a dense decomposition, and what a walk along them is."""

from __future__ import annotations

import copy
import json

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.cli.main import main
from polarprior.errors import PolarPriorError, UsageError
from polarprior.volume import directions as rule
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

MODEL = """
import polarprior as pp, torch
from torch import nn

def make():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = nn.Sequential(nn.Linear(12, 40), nn.Tanh(), nn.Linear(40, 192), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))
    return pp.wrap(net, latent_dim=12)
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    (tmp_path / "of_directions.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return "torch:of_directions:make"


def decomposed(generator, latents):
    """Singular values and right singular vectors, as columns, of a dense Jacobian in float64."""
    network = copy.deepcopy(generator.network).double().requires_grad_(False)
    jacobian = torch.func.jacfwd(lambda each: network(each[None]).flatten())(latents.z[0].double())
    _, sigma, vectors = torch.linalg.svd(jacobian, full_matrices=False)
    return sigma, vectors.mT


def angle(a, b):
    """The largest angle between two spaces, of orthonormal columns."""
    return float(torch.linalg.svdvals(a - b @ (b.mT @ a)).max().clamp(max=1).asin())


@pytest.mark.parametrize("exact", [256, 0], ids=["exact", "krylov"])
def test_they_are_the_right_singular_vectors(exact, monkeypatch):
    monkeypatch.setattr(rule, "EXACT", exact)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(60, 80), nn.Tanh(), nn.Linear(80, 120))
    with torch.no_grad():
        network[0].weight.mul_(torch.linspace(3, 0.2, 60))
    generator = pp.wrap(network, latent_dim=60)
    found = pp.directions(generator, seeds=[1, 2, 3], k=5)
    for row in range(3):
        sigma, vectors = decomposed(generator, found.latents[row : row + 1])
        np.testing.assert_allclose(found.log_sigma[row].exp(), sigma[:5], rtol=1e-4)
        own = found.vectors[row].double().mT
        assert angle(own, vectors[:, :5]) < 1e-2
        cosines = (own * vectors[:, :5]).sum(0).abs()
        assert float(cosines.min()) > 1 - 1e-4
        assert bool((own.gather(0, own.abs().argmax(0, keepdim=True)) > 0).all())


def test_a_walk_stays_on_the_shell_of_the_prior_and_begins_at_the_seed(model):
    generator = pp.load(model, "cpu")
    found = pp.directions(generator, seeds=[4], k=2)
    z = generator.prior.draw([4]).z[0]
    walked = found.walk(0, 1, [-2.0, 0.0, 2.0])
    torch.testing.assert_close(walked[1], z)
    np.testing.assert_allclose(walked.norm(dim=1), [z.norm()] * 3, rtol=1e-6)
    beside = walked[2] - z
    assert float(nn.functional.cosine_similarity(beside, found.vectors[0, 1], 0)) > 0.5
    torch.testing.assert_close(found.moved(0, [[0.0, 2.0]])[0], walked[2])
    (image,) = found.images(0, found.walk(0, 1, [0.0]))
    assert (image == pp.sample(generator, seeds=[4]).images[0]).all()


def test_elsewhere_it_is_a_straight_line():
    generator = pp.wrap(
        nn.Linear(3, 5), latent_dim=3, prior=lambda seeds: np.stack([np.sin(seeds + i) for i in range(3)], 1)
    )
    found = pp.directions(generator, seeds=[1], k=1)
    torch.testing.assert_close(found.walk(0, 0, [0.5])[0] - found.points[0], 0.5 * found.vectors[0, 0])


def test_no_other_step_moves_the_picture_more(model):
    generator = pp.load(model, "cpu")
    found = pp.directions(generator, seeds=[0], k=1)
    z, near = found.latents.z, 1e-2
    others = nn.functional.normalize(torch.randn(200, 12, generator=torch.Generator().manual_seed(0)))
    moved = (generator(z + near * torch.cat([found.vectors[0], others])) - generator(z)).flatten(1).norm(dim=1)
    assert moved.argmax() == 0


def test_styles_are_walked_in_units_of_their_own_spread():
    generator = pp.load("mnist:style", "cpu")
    found = pp.directions(generator, seeds=[2], k=2, domain="w")
    spread = generator.styles.of(generator.prior.draw(range(4000)).z, None).std(0).square().mean().sqrt()
    assert found.scale == pytest.approx(float(spread), rel=0.1)
    w = generator.styles.of(generator.prior.draw([2]).z, None)[0]
    torch.testing.assert_close(found.walk(0, 0, [1.0])[0], w + found.scale * found.vectors[0, 0])
    (image,) = found.images(0, found.walk(0, 0, [0.0]))
    assert np.abs(image.astype(int) - pp.sample(generator, seeds=[2]).images[0]).max() <= 1


def test_the_command_writes_strips_and_vectors_and_the_same_bytes_again(model, tmp_path):
    for out in ("a", "b"):
        assert main(["directions", model, "--seeds", "3,5", "-k", "2", "--steps", "5", "--out", out]) == 0
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["directions.json", "directions.safetensors", "seed0003.png", "seed0005.png"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    file = tmp_path / "a" / "directions.safetensors"
    tensors = load_file(file)
    assert {name: list(each.shape) for name, each in tensors.items()} == {
        "points": [2, 12],
        "vectors": [2, 2, 12],
        "log_sigma": [2, 2],
        "seeds": [2],
    }
    with safe_open(file, "pt") as opened:
        about = json.loads(opened.metadata()["polarprior"])
    assert (about["seeds"], about["domain"]) == ([3, 5], "z")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"steps": 4}, "steps: got 4"),
        ({"k": 13}, "k: got 13, expected 1 to 12"),
        ({"domain": "w"}, "domain"),
        ({"span": 0.0}, "span"),
        ({"of": 1}, "of"),
    ],
)
def test_what_can_t_be_is_refused(model, asked, named):
    with pytest.raises(UsageError, match=named):
        pp.directions(pp.load(model, "cpu"), **{"seeds": [0], **asked})


def test_a_model_that_breaks_is_named():
    """Its slope is infinite at one latent, where its picture is nothing special."""
    draw = pp.wrap(nn.Linear(3, 5), latent_dim=3).prior.draw

    class Cone(nn.Module):
        def forward(self, z):
            return z + (z - draw([7]).z).square().sum(1, keepdim=True).sqrt()

    with pytest.raises(PolarPriorError, match="seed 7 is not finite"):
        pp.directions(pp.wrap(Cone(), latent_dim=3), seeds=[6, 7], k=1)
