"""Each rival on a generator whose discriminator, and so whose law, is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import PolarPriorError, UsageError
from polarprior.testing import main
from polarprior_rivals.reweighting import LARGEST, LatentWeight, save, train
from scipy.stats import kstest, norm, truncnorm
from torch import nn

SLOPE = 0.5
"""The discriminator's logits are SLOPE · x, so the law it asks for is normal with mean SLOPE: p(z) exp(SLOPE z)."""
SEEDS = range(10_000, 11_000)


@pytest.fixture(scope="module")
def line():
    """G(z) = z, as an image of one pixel."""
    generator = pp.wrap(nn.Unflatten(1, (1, 1, 1)), latent_dim=1)
    return replace(generator, discriminator=lambda images, label: SLOPE * images[:, 0, 0, 0])


def drawn(generator, name, seeds=SEEDS):
    return pp.latent_sampler(generator, None, 0.0, sampler=f"rivals:{name}").sample(seeds).z


def test_importance_resampling_of_many_candidates_has_the_law_of_the_discriminator(line):
    """Fifty candidates: biased by less than a level of 1e-3 can see in 1,000 draws."""
    assert kstest(drawn(line, "sir:50")[:, 0].numpy(), norm(SLOPE).cdf).pvalue > 1e-3
    one = drawn(line, "sir:1")[:, 0].numpy()
    assert kstest(one, norm(0).cdf).pvalue > 1e-3
    assert kstest(one, norm(SLOPE).cdf).pvalue < 1e-9


def test_metropolis_hastings_has_the_law_of_the_discriminator(line):
    assert kstest(drawn(line, "mh:40")[:, 0].numpy(), norm(SLOPE).cdf).pvalue > 1e-3


def test_discriminator_rejection_has_its_law(line):
    """p(z) times the acceptance that the paper's eq. 7 and 8 give, by quadrature."""
    found = drawn(line, "drs:50")[:, 0].numpy()
    stock = SLOPE * line.prior.draw(range(1000)).z[:, 0].double().numpy()
    largest = stock.max()

    def scores(logits):
        below = np.minimum(logits - largest, 0)
        return below - np.log(1 - np.exp(below - 1e-8))

    gamma = np.percentile(scores(stock), 50)
    grid = np.linspace(-6, 6, 20_001)
    density = norm.pdf(grid) / (1 + np.exp(gamma - scores(SLOPE * grid)))
    cumulative = np.cumsum(density) / density.sum()
    assert kstest(found, lambda x: np.interp(x, grid, cumulative)).pvalue > 1e-3
    assert found.mean() > 0.15


def test_truncation_is_that_of_a_truncated_normal_and_keeps_what_is_inside(line):
    stock = line.prior.draw(SEEDS).z
    found = drawn(line, "truncation:0.7")
    assert kstest(found[:, 0].numpy(), truncnorm(-0.7, 0.7).cdf).pvalue > 1e-3
    inside = stock.abs() <= 0.7
    assert torch.equal(found[inside], stock[inside])
    assert torch.equal(drawn(line, "truncation:9"), stock)


def test_optimal_transport_climbs_the_discriminator_and_stays_near(line):
    stock, found = line.prior.draw(SEEDS).z, drawn(line, "dot:20")
    moved = (found - stock)[:, 0]
    assert (moved.abs() <= 0.25).all()  # twenty steps of about 0.01
    bowl = replace(line, discriminator=lambda images, label: -5 * images[:, 0, 0, 0] ** 2)
    closer = drawn(bowl, "dot:100")
    assert closer.abs().mean() < stock.abs().mean()


def test_a_learned_weight(line, tmp_path):
    """Real images are normal around SLOPE: what is trained leans there, and the draws have the law of w."""
    noise = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Flatten(), nn.Linear(1, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))

    def real():
        return SLOPE + torch.randn(256, 1, 1, 1, generator=noise)

    weight = train(line, real, critic, 500, noise)
    save(weight, tmp_path / "weight.safetensors")
    z = torch.randn(20_000, 1, generator=noise)
    w = weight(z).detach()
    assert float(w.mean()) == pytest.approx(1, abs=0.25)
    leaned = float((w * z[:, 0]).mean() / w.mean())
    assert leaned > 0.2
    found = drawn(line, f"latent-rs:{tmp_path / 'weight.safetensors'}")
    expected = (w.clamp(max=LARGEST) * z[:, 0]).sum() / w.clamp(max=LARGEST).sum()
    assert float(found.mean()) == pytest.approx(float(expected), abs=0.1)
    climbed = drawn(line, f"latent-rs-ga:{tmp_path / 'weight.safetensors'}")
    assert (weight(climbed) >= weight(found) - 1e-6).float().mean() > 0.95


@pytest.mark.parametrize("name", ["truncation", "sir", "drs", "mh:5", "dot:3"])
def test_a_draw_depends_on_its_seed_alone(line, name):
    many = drawn(line, name, [3, 1, 2, 5])
    torch.testing.assert_close(drawn(line, name, [2, 3]), many[[2, 0]])


def test_the_digits_bring_discriminators():
    generator = pp.load("mnist:wgan", "cpu")
    stock = generator.prior.draw(range(200))
    chosen = pp.latent_sampler(generator, None, 0.0, sampler="rivals:sir").sample(range(200))
    before, after = (generator.discriminator(generator(each), None) for each in (stock, chosen))
    assert after.mean() > before.mean()


def test_wrong_usage(line, tmp_path):
    for sampler, rho, said in (
        ("rivals:dr", 0.0, "expected rivals: and one of truncation"),
        ("rivals:drs", 0.1, "a rival draws no polarity prior"),
        ("rivals:drs:high", 0.0, "expected a number behind drs"),
        ("rivals:drs:100", 0.0, "got a percentile of 100"),
        ("rivals:mh:0", 0.0, "expected a whole number"),
        ("rivals:truncation:0", 0.0, "got a bound of 0"),
        ("rivals:latent-rs", 0.0, "needs the file of its weight network"),
    ):
        with pytest.raises(UsageError, match=said):
            pp.latent_sampler(line, None, rho, sampler=sampler)
    with pytest.raises(UsageError, match="needs a discriminator"):
        pp.latent_sampler(replace(line, discriminator=None), None, 0.0, sampler="rivals:mh")
    with pytest.raises(UsageError, match="of a polarity prior, which no rival draws"):
        pp.latent_sampler(line, None, 0.0, sampler="rivals:mh", support="shell")
    save(LatentWeight(3), tmp_path / "other.safetensors")
    with pytest.raises(PolarPriorError, match="holds no weight network for 1 numbers"):
        pp.latent_sampler(line, None, 0.0, sampler=f"rivals:latent-rs:{tmp_path / 'other.safetensors'}")


def test_transport_keeps_uniform_latents_in_their_square_and_needs_no_gradients_around_it():
    generator = pp.wrap(nn.Unflatten(1, (1, 1, 1)), latent_dim=1, prior="uniform")
    generator = replace(generator, discriminator=lambda images, label: 9 * images[:, 0, 0, 0])
    with torch.no_grad():
        moved = drawn(generator, "dot:60")
    assert float(moved.abs().max()) <= 1
    assert float((moved - generator.prior.draw(SEEDS).z).max()) > 0.05


def test_a_discriminator_that_gives_nan_is_an_error(line):
    broken = replace(line, discriminator=lambda images, label: images[:, 0, 0, 0] * torch.nan)
    for name in ("sir:5", "mh:5", "dot:5"):
        with pytest.raises(PolarPriorError, match="NaN"):
            drawn(broken, name)
    for value in ("inf", "nan", "1e400"):
        with pytest.raises(UsageError, match="whole number"):
            drawn(line, f"sir:{value}")


def test_the_command_line_asks_for_no_bank_and_no_polarity(tmp_path, monkeypatch, capsys):
    (tmp_path / "pixels.py").write_text(
        "import polarprior as pp\nfrom torch import nn\n\n"
        "def make():\n    return pp.wrap(nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Tanh()), latent_dim=4)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ["sample", "torch:pixels:make", "--sampler", "rivals:truncation:0.5", "--seeds", "0-3"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "ESS" not in capsys.readouterr().out, "there is no bank that could be trusted or not"
    assert len(list((tmp_path / "out").glob("seed*.png"))) == 4
    assert main([*words, "--polarity=0.1", "--out", str(tmp_path / "out")]) == 2
    assert "a rival draws no polarity prior" in capsys.readouterr().err
