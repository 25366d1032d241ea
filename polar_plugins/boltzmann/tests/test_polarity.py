"""Flows of polarity priors: on a generator whose log-volume is known in closed form."""

from __future__ import annotations

import warnings
from dataclasses import replace
from math import sqrt

import numpy as np
import polarprior as pp
import pytest
import torch
from polarprior.plugin import BankError, Limits, LogVolumes, PolarPriorError, SamplerOptions, UsageError
from polarprior.testing import main
from polarprior_boltzmann.bases import GeneralisedGaussian
from polarprior_boltzmann.emulator import fit, labelled
from polarprior_boltzmann.energies import OfFunction
from polarprior_boltzmann.flow_file import FlowFile, OfModel
from polarprior_boltzmann.looking import looks
from polarprior_boltzmann.polarity import OfPolarity, check_normal, slope_of, spread_of
from polarprior_boltzmann.recipe import Recipe
from polarprior_boltzmann.training import Training
from polarprior_boltzmann.transport_sampler import ByShift, TransportSampler
from scipy.stats import kstest, norm
from torch import nn

RHO = 0.4
SCALES = (1.0, 0.6)


class Stretching(nn.Module):
    """x_i = integral of exp(c_i z_i): its log-volume is c · z, so its polarity prior is N(rho c, I)."""

    def forward(self, z):
        scales = torch.tensor(SCALES, dtype=z.dtype)
        return (torch.exp(scales * z) / scales).reshape(-1, 1, 1, 2)


@pytest.fixture(scope="module")
def stretching():
    generator = pp.wrap(Stretching(), latent_dim=2)
    return generator, pp.build_bank(generator, 600, 2)


@pytest.fixture(scope="module")
def flow(stretching, tmp_path_factory):
    """The exact one: V = largest · c."""
    generator, bank = stretching
    problem = OfPolarity(
        GeneralisedGaussian.normal(2), OfFunction(lambda z: z @ torch.tensor(SCALES), 2), 1.0, torch.tensor(SCALES)
    )
    training = Training(problem, Recipe(width=4, kernels=1))
    with torch.no_grad():
        training.field.weights[-1].zero_()
    path = tmp_path_factory.mktemp("flow") / "flow.safetensors"
    std = float(bank.log_volume(2).std())
    of = OfModel("torch", generator.fingerprint, {}, 2, "pixel", "z", 1.0, std, 1.0, "exact", 0.01, bank.info.digest)
    FlowFile(problem.base, training.field, {}, of_model=of).save(path)
    return path


def test_the_slope_is_that_of_the_log_volume(stretching):
    generator, bank = stretching
    torch.testing.assert_close(slope_of(bank, generator, 2), torch.tensor(SCALES), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("with_bank", [True, False])
def test_an_exact_flow_draws_the_law_and_knows_its_density(stretching, flow, with_bank):
    generator, bank = stretching
    sampler = pp.latent_sampler(generator, bank if with_bank else None, RHO, sampler=f"boltzmann:{flow}")
    assert sampler.diagnostics.ess == pytest.approx(200, rel=1e-3)
    assert sampler.described()["steps"] == 1
    drawn = sampler.sample(range(1000, 3000)).z.double()
    for i, scale in enumerate(SCALES):
        assert kstest(drawn[:, i].numpy(), norm(RHO * scale).cdf).pvalue > 1e-3
        assert kstest(drawn[:, i].numpy(), norm(0).cdf).pvalue < 1e-9
    draws = sampler.draws(generator.prior.draw(range(50)).z)
    expected = norm(0).logpdf(draws.latents.z.double().numpy() - RHO * np.array(SCALES)).sum(1)
    np.testing.assert_allclose(draws.log_q, expected, rtol=0, atol=1e-5)
    assert np.ptp(draws.log_weight) < 1e-3
    assert sampler.forward_ess_on(bank) == pytest.approx(1, abs=1e-3)


def test_the_chain_corrects_a_wrong_transport(stretching):
    """The shift of half the slope, and of the other sign of the second number: uncorrected it fails the test that
    the corrected draws pass."""
    generator, bank = stretching
    sampler = wrong_sampler(generator, bank)
    assert sampler.described()["steps"] > 5
    seeds = range(5000, 6500)
    plain = sampler.draws(generator.prior.draw(seeds).z)
    drawn = sampler.sample(seeds).z.numpy()
    for i, scale in enumerate(SCALES):
        law = norm(RHO * scale).cdf
        assert kstest(drawn[:, i], law).pvalue > 1e-3
        assert kstest(plain.latents.z[:, i].numpy(), law).pvalue < 1e-3
    w = np.exp(plain.log_weight - plain.log_weight.max())
    mean = w @ plain.latents.z.numpy() / w.sum()
    np.testing.assert_allclose(mean, RHO * np.array(SCALES), atol=0.12)
    spent = sampler.diagnostics.spending
    assert (spent.drawn, spent.jacobians) == (1500, 1500 * (1 + sampler.described()["steps"]))
    assert spent.solved <= spent.jacobians


def wrong_sampler(generator, bank, **options):
    """A sampler of half the slope, and of the other sign of the second number: its chains both move and stay."""
    transport = ByShift(torch.tensor([0.5, -0.6]))
    true = LogVolumes(generator, bank, 2, pp.jacobian_fn)
    return TransportSampler(
        generator, transport, true, RHO, 2, 1.0, Limits(-1, 1), SamplerOptions(**options), {}, None
    )


def test_a_draw_depends_on_its_seed_alone(stretching, flow):
    generator, bank = stretching
    many = wrong_sampler(generator, bank).sample(range(64)).z
    for few in ([7], [30, 7, 2], range(63, 20, -1)):
        again = wrong_sampler(generator, bank).sample(few).z
        torch.testing.assert_close(again, many[list(few)], rtol=0, atol=1e-5)
    for name in (flow, "shift"):
        sampler = pp.latent_sampler(generator, bank, RHO, sampler=f"boltzmann:{name}")
        many = sampler.sample([3, 1, 2, 5]).z
        again = pp.latent_sampler(generator, bank, RHO, sampler=f"boltzmann:{name}").sample([2, 3]).z
        torch.testing.assert_close(again, many[[2, 0]], rtol=0, atol=1e-5)
    still = pp.latent_sampler(generator, bank, 0.0, sampler=f"boltzmann:{flow}")
    assert torch.equal(still.sample(range(4)).z, generator.prior.draw(range(4)).z)


def test_an_emulator_explains_a_log_volume_that_it_has_seen(stretching):
    generator, bank = stretching
    noise = torch.Generator().manual_seed(0)
    data = labelled(generator, bank, 2, slope_of(bank, generator, 2), 0.5, 400, noise)
    assert (len(data.z), data.known) == (1000, 600)
    fitted, r2 = fit(data, noise)
    assert r2 > 0.98
    z = torch.randn(100, 2, generator=noise)
    value, slope = fitted.with_gradient(z)
    torch.testing.assert_close(value, fitted(z).detach(), rtol=1e-5, atol=1e-5)
    assert float((slope - torch.tensor(SCALES)).abs().mean()) < 0.15


def test_a_transport_that_can_not_be_trusted_is_refused(stretching, monkeypatch):
    """A shift far from the law: k-hat says so; --force goes on with a warning."""
    generator, bank = stretching
    words = (
        generator,
        ByShift(torch.tensor([-6.0, 6.0])),
        LogVolumes(generator, bank, 2, pp.jacobian_fn),
        RHO,
        2,
        1.0,
        Limits(-1, 1),
    )
    with pytest.raises(PolarPriorError, match="k-hat"):
        TransportSampler(*words, SamplerOptions(), {})
    with pytest.warns(UserWarning, match="k-hat"):
        TransportSampler(*words, SamplerOptions(force=True), {})


def test_training_improves_on_its_start_at_both_ends():
    """l = 2 sin(z_1) + z_2² / 4: no shift draws its polarity priors; the flow learns them at rho of either sign."""

    def bent(z):
        return 2 * z[:, 0].sin() + z[:, 1].square() / 4

    slope = torch.tensor([2 * np.exp(-0.5), 0.0], dtype=torch.float32)  # Stein: E cos(z) = exp(-1/2)
    problem = OfPolarity(GeneralisedGaussian.normal(2), OfFunction(bent, 2), 0.8, slope)
    training = Training(problem, Recipe(width=24, kernels=1, iterations=400, rate=1e-2, widen=1.0, steps=6))
    before = looks(training, 4000, 12)
    while not training.finished:
        training.advance()
    after = looks(training, 4000, 12)
    for name in ("-0.8", "0.8"):
        assert before[name]["reverse_ess"] < 0.9
        assert after[name]["reverse_ess"] > 0.97


class Half(nn.Module):
    """Where the first number is below 0.5 the second has no say: a Jacobian of rank 1."""

    def forward(self, z):
        return torch.stack([z[:, 0].exp(), z[:, 1] * (z[:, 0] - 0.5).clamp_min(0)], 1).reshape(-1, 1, 1, 2)


def test_latents_without_volume_are_refused(tmp_path):
    generator = pp.wrap(Half(), latent_dim=2)
    bank = pp.build_bank(generator, 400, 2)
    with pytest.raises(UsageError, match="have less than 2 nonzero singular values"):
        spread_of(bank, 2)
    with pytest.raises(UsageError, match="have less than 2 nonzero singular values"):
        pp.latent_sampler(generator, bank, 0.1, sampler="boltzmann:shift")
    true = LogVolumes(generator, bank, 2, pp.jacobian_fn)
    words = (generator, ByShift(torch.zeros(2)), true, 0.1, 2, 1.0, Limits(-1, 1))
    with pytest.raises(PolarPriorError, match="draws have less than 2 singular values"):
        TransportSampler(*words, SamplerOptions(), {})
    with pytest.warns(UserWarning, match="less than 2 singular values"):
        forced = TransportSampler(*words, SamplerOptions(force=True), {})
    drawn = forced.sample(range(200)).z
    assert (drawn[:, 0] < 0.5).sum() == forced.diagnostics.spending.exhausted < 10
    nowhere = ByShift(torch.tensor([-90.0, 0.0]))
    with pytest.raises(PolarPriorError, match="none of 200 draws has 2 nonzero singular values"):
        TransportSampler(generator, nowhere, true, 0.1, 2, 1.0, Limits(-1, 1), SamplerOptions(), {})


def test_the_other_side_sees_what_a_transport_does_not_visit(stretching):
    """A transport that only draws to one side of 0 has even weights there; the bank's rows know the other side."""

    class OneSided:
        def push(self, z, rho):
            x = z.clone()
            x[:, 0] = x[:, 0].abs() + 3
            return x + rho * torch.tensor(SCALES), GeneralisedGaussian.normal(2).log_density(x)

        def log_density(self, x, rho):
            return GeneralisedGaussian.normal(2).log_density(x - rho * torch.tensor(SCALES)) + 8 * (x[:, 0] - 3)

    generator, bank = stretching
    true = LogVolumes(generator, bank, 2, pp.jacobian_fn)
    words = (generator, OneSided(), true, RHO, 2, 1.0, Limits(-1, 1), SamplerOptions(), {})
    assert TransportSampler(*words).diagnostics.ess == pytest.approx(200, rel=1e-3)
    with pytest.raises(PolarPriorError, match="the ESS of the law on the bank"):
        TransportSampler(*words, bank)


def test_wrong_usage(stretching, flow, tmp_path):
    generator, bank = stretching
    for named, rho, given, said in (
        ("boltzmann", RHO, {}, "expected boltzmann:FLOW"),
        (f"boltzmann:{flow}", 1.5, {}, "this flow was trained for"),
        (f"boltzmann:{flow}", RHO, {"k": 1}, "the flow .* was trained for 2"),
        (f"boltzmann:{flow}", RHO, {"support": "shell"}, "draws the polarity prior as it is"),
        (f"boltzmann:{flow}", RHO, {"hold": ("contrast",)}, "draws the polarity prior as it is"),
        (f"boltzmann:{tmp_path / 'none'}", RHO, {}, "no file"),
    ):
        with pytest.raises(PolarPriorError, match=said):
            pp.latent_sampler(generator, bank, rho, sampler=named, **given)
    with pytest.raises(BankError, match="takes its slope from one"):
        pp.latent_sampler(generator, None, RHO, sampler="boltzmann:shift")
    other = pp.wrap(nn.Linear(2, 4), latent_dim=2)
    with pytest.raises(PolarPriorError, match="is of other weights"):
        pp.latent_sampler(other, None, RHO, sampler=f"boltzmann:{flow}")
    for wrong, said in (
        (pp.wrap(nn.Linear(2, 4), latent_dim=2, prior="uniform"), "uniform"),
        (replace(generator, normalizes_latent=True), "sphere"),
        (replace(generator, num_classes=3), "has classes"),
    ):
        with pytest.raises(UsageError, match=said):
            check_normal(wrong)


def test_trained_and_drawn_from_on_the_command_line(tmp_path, monkeypatch, capsys):
    """The whole way, on a generator of the user's; without a bank when drawing."""
    (tmp_path / "mine.py").write_text(
        "import polarprior as pp\nimport torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n"
        "    def forward(self, z):\n        return torch.exp(0.7 * z).reshape(-1, 1, 2, 2) / 10\n\n\n"
        "def make():\n    return pp.wrap(Net(), latent_dim=4)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["bank", "build", "torch:mine:make", "-n", "400", "-k", "4", "--out", "bank"]) == 0
    words = ["train", "boltzmann", "torch:mine:make", "--bank", "bank", "--largest", "0.4", "--labels", "200"]
    assert main([*words, "--iterations", "200", "--width", "16", "--out", "flow"]) == 0
    told = capsys.readouterr()
    assert "of true log-volumes held out" in told.err
    found = FlowFile.open(tmp_path / "flow.safetensors")
    assert found.of_model is not None
    assert found.of_model.largest == 0.4
    assert found.of_model.std == pytest.approx(0.7 * sqrt(4), rel=0.2)
    assert set(found.metrics) == {"-0.4", "0.4"}
    sample = [
        "sample",
        "torch:mine:make",
        "--sampler",
        "boltzmann:flow.safetensors",
        "--seeds",
        "0-3",
        "--out",
        "out",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main([*sample, "--polarity=0.3"]) == 0
    assert len(list((tmp_path / "out").glob("seed*.png"))) == 4
    assert main([*sample, "--polarity=0.9"]) == 1
    assert "this flow was trained for" in capsys.readouterr().err
