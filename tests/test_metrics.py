"""The metrics against independent implementations, on asymmetric cases, and in little memory."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.errors import UsageError
from polarprior.generator import Styles
from polarprior.jacobian.feature_map import PIXEL
from polarprior.metrics import features as features_of
from polarprior.metrics.frechet import Moments, frechet_distance
from polarprior.metrics.inception_score import inception_score
from polarprior.metrics.kernel import kernel_distance
from polarprior.metrics.manifold import fidelity
from polarprior.metrics.nearest import nearest
from polarprior.metrics.path_length import path_lengths, shift_lengths
from polarprior.metrics.reconstruction import reconstruction_dissimilarity
from polarprior.stock.shims.vision import import_torchvision_without_operators
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

RELATIVE = 1e-6


@pytest.fixture(scope="module")
def sets():
    """Real and generated features, far from the origin, float32, of unequal numbers."""
    stream = torch.Generator().manual_seed(0)
    return torch.randn(400, 24, generator=stream) + 30, 1.2 * torch.randn(300, 24, generator=stream) + 30.3


@pytest.fixture(params=["one block", "many"])
def chunks(request, monkeypatch):
    """Each metric in one piece, and in pieces of a few rows."""
    if request.param == "many":
        monkeypatch.setattr(features_of, "CHUNK_BYTES", 8 * 400 * 7)


def torchmetrics():
    """torchmetrics, where it can be imported: a torchvision without operators breaks it."""
    import_torchvision_without_operators()
    try:
        import torchmetrics.image.fid
        import torchmetrics.image.inception
        import torchmetrics.image.kid
    except Exception as error:
        pytest.skip(f"torchmetrics can't be imported: {type(error).__name__}: {error}")
    return torchmetrics.image


class Identity(torch.nn.Module):
    """Features that are images already, for torchmetrics."""

    num_features = 24

    def forward(self, images):
        return images.flatten(1)


def test_frechet_distance_is_that_of_torchmetrics(sets, chunks):
    metric = (
        torchmetrics().fid.FrechetInceptionDistance(Identity(), input_img_size=(24, 1, 1)).set_dtype(torch.float64)
    )
    for features, real in zip(sets, (True, False), strict=True):
        metric.update(features.double()[:, :, None, None], real=real)
    assert frechet_distance(*sets) == pytest.approx(float(metric.compute()), rel=RELATIVE)


def test_frechet_distance_is_scipys(sets, chunks):
    from scipy.linalg import sqrtm

    first, second = (each.double().numpy() for each in sets)
    covariances = [np.cov(each, rowvar=False) for each in (first, second)]
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(
        covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real
    )
    assert frechet_distance(*sets) == pytest.approx(expected, rel=RELATIVE)
    assert frechet_distance(Moments.of(sets[0]), sets[1]) == frechet_distance(*sets)


def test_frechet_distance_where_covariances_are_singular():
    """Fewer images than features: a real number all the same, and 0 for the same set."""
    few = torch.randn(10, 40, generator=torch.Generator().manual_seed(1))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(few, 2 * few) > 1


def test_kernel_distance_is_that_of_torchmetrics(sets, chunks):
    real, generated = (each[:300].double() / 10 for each in sets)
    metric = (
        torchmetrics().kid.KernelInceptionDistance(Identity(), subsets=1, subset_size=300).set_dtype(torch.float64)
    )
    metric.update(real[:, :, None, None], real=True)
    metric.update(generated[:, :, None, None], real=False)
    assert kernel_distance(real, generated) == pytest.approx(float(metric.compute()[0]), rel=RELATIVE)


def test_kernel_distance_of_unequal_numbers(sets, chunks):
    from sklearn.metrics.pairwise import polynomial_kernel

    real, generated = (each.double().numpy() / 10 for each in sets)
    parts = []
    for a, b in ((real, real), (generated, generated), (real, generated)):
        kernel = polynomial_kernel(a, b, degree=3, gamma=1 / 24, coef0=1)
        parts.append(kernel[~np.eye(len(a), dtype=bool)].mean() if a is b else kernel.mean())
    expected = parts[0] + parts[1] - 2 * parts[2]
    assert kernel_distance(*(torch.from_numpy(each) for each in (real, generated))) == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_fidelity_is_that_of_prdc(sets, chunks, neighbours):
    prdc = pytest.importorskip("prdc")
    expected = prdc.compute_prdc(*(each.double().numpy() for each in sets), nearest_k=neighbours)
    assert fidelity(*sets, neighbours)._asdict() == pytest.approx(expected, rel=RELATIVE)


def test_which_input_is_real():
    """One generated point in a corner of the real set: precise, and without recall. The other way around, recall."""
    line = torch.arange(100, dtype=torch.float64)[:, None]
    corner = torch.linspace(50, 51, 100, dtype=torch.float64)[:, None]
    assert fidelity(line, corner)[:2] == (1.0, 0.02)
    assert fidelity(corner, line)[:2] == (0.02, 1.0)
    wide = torch.cat([line, line + 1000])
    narrow = fidelity(line, wide)
    assert narrow.recall == 1
    assert narrow.precision == pytest.approx(0.5, abs=0.02)


def test_repeated_draws_lose_recall():
    stream = torch.Generator().manual_seed(2)
    real, generated = (torch.randn(200, 4, generator=stream) for _ in range(2))
    repeated = generated[:40].repeat(5, 1)
    assert fidelity(real, repeated).recall == 0
    assert fidelity(real, generated).recall > 0.6


def test_inception_score_is_that_of_torchmetrics():
    logits = 3 * torch.randn(500, 10, generator=torch.Generator().manual_seed(3)).double()
    metric = torchmetrics().inception.InceptionScore(torch.nn.Flatten(), splits=1).set_dtype(torch.float64)
    metric.update(logits[:, :, None, None])
    assert inception_score(logits) == pytest.approx(float(metric.compute()[0]), rel=RELATIVE)


def test_inception_score_at_its_ends():
    sure = 1000 * torch.eye(10)
    assert inception_score(sure) == pytest.approx(10)
    assert inception_score(sure[:1].repeat(20, 1)) == pytest.approx(1)
    assert inception_score(torch.zeros(20, 10)) == pytest.approx(1)


def test_nearest_is_that_of_scikit_learn(sets, chunks):
    neighbors = pytest.importorskip("sklearn.neighbors")
    real, generated = sets
    found = (
        neighbors.NearestNeighbors(n_neighbors=4).fit(real.double().numpy()).kneighbors(generated.double().numpy())
    )
    ours = nearest(real, generated, 4)
    np.testing.assert_allclose(ours.distances, found[0], rtol=RELATIVE)
    assert (ours.rows.numpy() == found[1]).all()


def test_path_lengths_of_a_linear_map():
    """G(z) = A z: the length is |A (b - a)|^2 at any t, and |A u|^2 for a shift along u."""
    network = torch.nn.Linear(3, 5, dtype=torch.float64).requires_grad_(False)
    generator = pp.wrap(network, latent_dim=3)
    ends = generator.prior.draw(range(6)), generator.prior.draw(range(6, 12))
    expected = network.weight @ (ends[1].z - ends[0].z).double().T
    ends = tuple(pp.Latents(each.z.double()) for each in ends)
    found = path_lengths(generator, PIXEL, ends, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, expected.square().sum(0), rtol=1e-6, atol=0)
    shifts = shift_lengths(generator, PIXEL, ends[0], torch.Generator().manual_seed(0))
    largest = torch.linalg.svdvals(network.weight)
    assert (shifts <= largest[0] ** 2 + 1e-9).all()
    assert (shifts >= largest[-1] ** 2 - 1e-9).all()


def test_paths_between_styles_are_straight_lines():
    """G(z) = B f(z): the length is |B (f(b) - f(a))|^2 at any t, however crooked f is."""
    mapping = torch.nn.Sequential(torch.nn.Linear(3, 4, dtype=torch.float64), torch.nn.Tanh()).requires_grad_(False)
    synthesis = torch.nn.Linear(4, 5, dtype=torch.float64).requires_grad_(False)
    plain = pp.wrap(torch.nn.Sequential(mapping, synthesis), latent_dim=3)
    generator = replace(plain, styles=Styles(lambda z, label: mapping(z), synthesis))
    ends = tuple(pp.Latents(generator.prior.draw(seeds).z.double()) for seeds in (range(6), range(6, 12)))
    expected = synthesis.weight @ (mapping(ends[1].z) - mapping(ends[0].z)).T
    found = path_lengths(generator, PIXEL, ends, torch.Generator().manual_seed(0), styles=True)
    torch.testing.assert_close(found, expected.square().sum(0), rtol=1e-6, atol=0)
    with pytest.raises(UsageError, match="no mapping network"):
        path_lengths(plain, PIXEL, ends, torch.Generator(), styles=True)


def test_paths_between_normalised_latents_are_arcs():
    """Their length is that of the arc: the angle times the radius, squared, where G is the identity."""
    same = torch.nn.Linear(4, 4, bias=False, dtype=torch.float64).requires_grad_(False)
    same.weight.copy_(torch.eye(4))
    generator = pp.wrap(same, latent_dim=4, prior="sphere")
    ends = tuple(pp.Latents(generator.prior.draw(seeds).z.double()) for seeds in (range(5), range(5, 10)))
    found = path_lengths(generator, PIXEL, ends, torch.Generator().manual_seed(0))
    angle = torch.cosine_similarity(ends[0].z, ends[1].z).arccos()
    torch.testing.assert_close(found, 4 * angle**2, rtol=1e-5, atol=0)


@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance, fidelity, nearest])
def test_what_is_no_pair_of_features_is_refused(metric):
    good = torch.randn(10, 4)
    for real, generated in ((good[0], good), (good, good[:, :3]), (good, good / 0), (good.long(), good)):
        with pytest.raises(UsageError):
            metric(real, generated)


def test_memory_does_not_grow_with_all_pairs():
    """12,000 by 12,000 distances are 1.2 GB in float64; benchmarks/measure.py has 50,000 by 50,000."""
    code = (
        "import resource, torch\n"
        "from polarprior.metrics.manifold import fidelity\n"
        "x = torch.randn(12_000, 8, generator=torch.Generator().manual_seed(0))\n"
        "fidelity(x[:500], x[:400])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(fidelity(x, x.flip(0)))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "precision=1.0, recall=1.0" in told
    assert int(told.split()[-1]) * 1024 < 250 << 20


def test_dissimilarity_is_that_of_equation_18():
    """By scipy's relative entropy, part by part; which of the two is the image is told apart."""
    stream = np.random.default_rng(0)
    logits, again = 2 * stream.standard_normal((2, 57, 5))
    found = reconstruction_dissimilarity(torch.from_numpy(logits), torch.from_numpy(again))
    of_images = entropy(softmax(logits, 1), softmax(again, 1), axis=1)
    of_parts = [np.exp(part.mean()) for part in np.array_split(of_images, 10)]
    assert found.dissimilarity == pytest.approx(np.mean(of_parts), rel=1e-12)
    assert found.deviation == pytest.approx(np.std(of_parts), rel=1e-12)
    assert found.agreement == pytest.approx(np.mean(logits.argmax(1) == again.argmax(1)))
    turned = reconstruction_dissimilarity(torch.from_numpy(again), torch.from_numpy(logits))
    assert abs(turned.dissimilarity - found.dissimilarity) > 0.1
    same = reconstruction_dissimilarity(torch.from_numpy(logits), torch.from_numpy(logits))
    assert same == (1, 0, 1)
    with pytest.raises(UsageError, match="expected twice"):
        reconstruction_dissimilarity(torch.from_numpy(logits), torch.from_numpy(again[1:]))


def test_numbers_that_are_none_are_refused_wherever_they_come_in():
    logits, features = torch.randn(20, 3), torch.randn(20, 3)
    logits[3, 1] = features[3, 1] = torch.nan
    with pytest.raises(UsageError, match="NaN"):
        inception_score(logits)
    with pytest.raises(UsageError, match="NaN"):
        Moments.of(features)


def test_a_path_between_equal_ends_has_no_length():
    generator = replace(pp.wrap(nn.Linear(4, 3), latent_dim=4), normalizes_latent=True)
    ends = generator.prior.draw([1, 2]), generator.prior.draw([1, 3])
    found = path_lengths(generator, pp.FeatureMap("all", lambda x: x), ends, torch.Generator().manual_seed(0))
    assert float(found[0]) < 1e-3 < float(found[1])
